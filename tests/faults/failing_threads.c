/* For LD_PRELOAD: no further thread starts after fail_threads(1). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static volatile int failing = 0;

void fail_threads(int fails) { failing = fails; }

typedef int Create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*work)(void *),
                   void *given) {
  if (failing) return EAGAIN;
  Create *create = (Create *)dlsym(RTLD_NEXT, "pthread_create");
  return create(thread, how, work, given);
}
