/* For LD_PRELOAD: makes one allocation fail. fail_at(k, least) lets the k-th allocation from now (from
   0) return NULL; stop() ends that and returns how many there were. Allocations of less than `least`
   bytes do not count if CPython or the loader asks for them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static volatile long count = 0, failing = -1;
static volatile size_t smallest = 0;

void fail_at(long k, size_t least) {
  count = 0;
  smallest = least;
  failing = k;
}

long stop(void) {
  failing = -1;
  return count;
}

static int is_pythons_or_loaders(void *caller) {
  Dl_info found;
  if (!dladdr(caller, &found) || !found.dli_fname) return 0;
  const char *slash = strrchr(found.dli_fname, '/');
  const char *name = slash ? slash + 1 : found.dli_fname;
  return !strncmp(name, "libpython", 9) || !strncmp(name, "python", 6) || !strncmp(name, "ld-", 3);
}

static int fails_for(void *caller, size_t size) {
  if (failing < 0 || (size < smallest && is_pythons_or_loaders(caller))) return 0;
  if (__sync_fetch_and_add(&count, 1) != failing) return 0;
  errno = ENOMEM;
  return 1;
}

#define fails(size) fails_for(__builtin_return_address(0), size)

void *malloc(size_t n) { return fails(n) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails(n) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return fails(n) ? NULL : __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return fails(n) ? NULL : __libc_memalign(a, n); }

int posix_memalign(void **p, size_t a, size_t n) {
  if (fails(n)) return ENOMEM;
  *p = __libc_memalign(a, n);
  return *p ? 0 : ENOMEM;
}
