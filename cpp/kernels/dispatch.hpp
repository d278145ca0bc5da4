// Chooses, once, the table of kernels for the CPU this process runs on.
#pragma once

#include "table.hpp"

namespace handnn {

struct Isa {
  const char* name;          // v2, v3, v4 (x86-64 levels) or neon
  const KernelTable* table;  // its kernels; everything listed was compiled
  bool supported;            // by this CPU and its operating system
};

// The instruction sets compiled into this library, lowest first.
struct Isas {
  const Isa* first;
  int count;
  const Isa* begin() const { return first; }
  const Isa* end() const { return first + count; }
};
Isas compiled_isas();

// Activates the instruction set called `name`, or the best supported one for null or "". Returns
// false and changes nothing if it is unknown or this CPU does not support it. Called once, at
// import; the choice is not guarded against other threads.
bool activate_isa(const char* name);

const Isa& active_isa();

// The active kernels for T, float or double.
template <class T>
const Kernels<T>& active_kernels();

// The name that the CPU reports, such as "AMD EPYC 9654", or "".
const char* cpu_name();

}  // namespace handnn
