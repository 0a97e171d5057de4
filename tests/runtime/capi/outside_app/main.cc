// The same through the C++ header.
#include <bittern/bittern.hpp>
#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  bittern::Model model;
  bittern::Session session;
  if (argc != 2) return 2;
  bittern::Status status = bittern::Model::LoadFile(argv[1], &model);
  if (status.ok())
    status = bittern::Session::Create(model, bittern::Session::DefaultOptions(),
                                      &session);
  if (status.ok()) status = session.Prepare();
  if (status.ok()) status = session.Run();
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  std::printf("ran");
  for (int i = 0; i < 3; ++i) {
    if (const char* label = model.Metadata("label." + std::to_string(i)))
      std::printf(" %s", label);
  }
  std::printf("\n");
  return 0;
}
