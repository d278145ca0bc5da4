// Runs a test if this CPU supports its instruction set. Compiled separately from the test, with
// flags that every CPU supports.
#include <cstdio>

#include "kernels/dispatch.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  if (handnn::activate_isa(HANDNN_ISA_NAME)) return run(HANDNN_ISA_NAME, argc, argv);
  std::printf("skipped: this CPU does not support %s\n", HANDNN_ISA_NAME);
  return 77;
}
