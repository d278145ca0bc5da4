#pragma once

// Defined by each test; returns 0 for success. `isa` is the instruction set to test, which this CPU
// supports and which is active.
int run(const char* isa, int argc, char** argv);
