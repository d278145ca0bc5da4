#pragma once

// What each test defines; 0 for success. HANDNN_ISA_NAME is the instruction set that it was
// compiled for.
int run(int argc, char** argv);
