#!/usr/bin/env bash
# Installs the library into a folder and builds an app outside the tree against it, by find_package and by pkg-config:
#   install_test.sh CMAKE BUILD_DIR APP_DIR WORK_DIR MODEL CC CXX
set -euo pipefail
cmake=$1 build=$2 app=$3 work=$4 model=$5 cc=$6 cxx=$7
fail() { echo "install_test: $1" >&2; exit 1; }
rm -rf "$work" && mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/prefix" --component bittern_library > "$work/install.log"
prefix=$work/moved  # nothing may remember where it was first installed
mv "$work/prefix" "$prefix"
libdir=$(dirname "$(find "$prefix" -name libbittern.a)")
headers=$(cd "$prefix/include/bittern" && echo *)
[ "$headers" = "bittern.h bittern.hpp" ] || fail "installed headers: got $headers, expected bittern.h bittern.hpp"

"$cmake" -G Ninja -S "$app" -B "$work/app" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" > "$work/configure.log"
"$cmake" --build "$work/app" > "$work/build.log" || { cat "$work/build.log" >&2; fail "the app outside does not build"; }
for program in app_shared app_static; do
  [ "$("$work/app/$program" "$model")" = "ran cat dog owl" ] || fail "$program: did not answer"
done

export PKG_CONFIG_PATH=$libdir/pkgconfig
[ "$(pkg-config --modversion bittern)" = "$(sed -n 's/.*VERSION "\(.*\)".*/\1/p' "$libdir/cmake/bittern/bitternConfigVersion.cmake" | head -1)" ] ||
  fail "pkg-config and CMake disagree about the version"
# shellcheck disable=SC2046  # flags are separate words
"$cc" -std=c99 -pedantic -Wall -Wextra -Werror "$app/main.c" $(pkg-config --cflags --libs bittern) -o "$work/app_pkg_config"
[ "$(LD_LIBRARY_PATH=$libdir "$work/app_pkg_config" "$model")" = "ran cat dog owl" ] || fail "app_pkg_config: did not answer"
echo "installed, found by find_package and pkg-config, linked shared and static"
