#include "dispatch.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace handnn {

#if defined(__x86_64__)

extern const KernelTable kernels_v2, kernels_v3, kernels_v4;

namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf) {
  Registers r;
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);  // leaves zeros where the leaf is unknown
  return r;
}

// The register files that the operating system saves on a context switch (XCR0).
unsigned saved_state() {
  if (!(cpuid(1).c >> 27 & 1)) return 0;  // OSXSAVE
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

template <class... Positions>
bool all(unsigned value, Positions... positions) {
  return ((value >> positions & 1) && ...);
}

// The levels of the x86-64 psABI, section 3.1.1, by CPUID bits (Intel SDM volume 2A, table 3-8 and
// following).
bool has_v2() {
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF
  return all(cpuid(1).c, 0, 9, 13, 19, 20, 23) && all(cpuid(0x80000001).c, 0);
}
bool has_v3() {
  // FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; the state of xmm and ymm
  return has_v2() && all(cpuid(1).c, 12, 22, 28, 29) && all(cpuid(7).b, 3, 5, 8) &&
         all(cpuid(0x80000001).c, 5) && all(saved_state(), 1, 2);
}
bool has_v4() {
  // AVX-512 F, DQ, CD, BW, VL; the state of the masks and of both halves of zmm
  return has_v3() && all(cpuid(7).b, 16, 17, 28, 30, 31) && all(saved_state(), 5, 6, 7);
}

// The kernels of v4, with those of v3 for small networks.
KernelTable complete_v4() {
  KernelTable table = kernels_v4;
  table.float32.small_steps = kernels_v3.float32.small_steps;
  table.float64.small_steps = kernels_v3.float64.small_steps;
  table.float32.small_network = kernels_v3.float32.small_network;
  table.float64.small_network = kernels_v3.float64.small_network;
  return table;
}

}  // namespace

Isas compiled_isas() {
  static const KernelTable v4 = complete_v4();
  static const Isa isas[] = {
      {"v2", &kernels_v2, has_v2()}, {"v3", &kernels_v3, has_v3()}, {"v4", &v4, has_v4()}};
  return {isas, 3};
}

const char* cpu_name() {
  struct Name {
    char text[3 * 16 + 1] = {};
    Name() {
      char* end = text;
      for (unsigned leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
        const Registers r = cpuid(leaf);
        std::memcpy(end, &r, sizeof r);
        end += sizeof r;
      }
      end = text + std::strlen(text);
      while (end > text && end[-1] == ' ') *--end = '\0';
    }
  };
  static const Name name;  // initialized once, even by concurrent calls
  return name.text;
}

#else

extern const KernelTable kernels_neon;

Isas compiled_isas() {
  static const Isa isas[] = {{"neon", &kernels_neon, true}};  // arm64 always has it
  return {isas, 1};
}

const char* cpu_name() { return ""; }

#endif

namespace {
const Isa* active = nullptr;
}

bool activate_isa(const char* name) {
  const bool best = !name || !*name;
  const Isa* chosen = nullptr;
  for (const Isa& isa : compiled_isas()) {
    if (isa.supported && (best || std::strcmp(name, isa.name) == 0)) chosen = &isa;
  }
  if (chosen) active = chosen;
  return chosen != nullptr;
}

const Isa& active_isa() { return *active; }

template <>
const Kernels<float>& active_kernels() {
  return active->table->float32;
}
template <>
const Kernels<double>& active_kernels() {
  return active->table->float64;
}

}  // namespace handnn
