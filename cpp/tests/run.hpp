#pragma once

// Defined by each test; returns 0 for success. HANDNN_ISA_NAME is the instruction set that the test
// is compiled for.
int run(int argc, char** argv);
