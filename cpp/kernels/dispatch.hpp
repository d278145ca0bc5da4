// Chooses, once, the table of kernels for the CPU this process runs on.
#pragma once

#include "table.hpp"

namespace handnn {

struct Isa {
  const char* name;          // v2, v3, v4 (x86-64 levels) or neon
  const KernelTable* table;  // its kernels; everything listed was compiled
  bool supported;            // by this CPU and its operating system
};

// What was compiled into this library, lowest first.
struct Isas {
  const Isa* first;
  int count;
  const Isa* begin() const { return first; }
  const Isa* end() const { return first + count; }
};
Isas compiled_isas();

// Makes the instruction set called `name` the active one, or the best supported one for null or "".
// False, with nothing changed, if there is no such one or this CPU does not support it. Called
// once, at import.
bool activate_isa(const char* name);

const Isa& active_isa();

// The active kernels for T, float or double.
template <class T>
const Kernels<T>& active_kernels();

// The CPU's own name, such as "AMD EPYC 9654"; empty where it has none.
const char* cpu_name();

}  // namespace handnn
