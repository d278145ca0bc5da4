// Runs a test if this CPU supports its instruction set. Compiled separately from the test, with
// flags that every CPU supports.
#include <cstdio>
#include <cstring>

#include "kernels/dispatch.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  for (const handnn::Isa& isa : handnn::compiled_isas()) {
    if (std::strcmp(isa.name, HANDNN_ISA_NAME) == 0 && isa.supported) return run(argc, argv);
  }
  std::printf("skipped: this CPU does not support %s\n", HANDNN_ISA_NAME);
  return 77;
}
