// The main of every test program (Catch2 2.13), compiled once.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
