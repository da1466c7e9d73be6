/* SPDX-License-Identifier: GPL-2.0-only */
#include "sim/exec/coro.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifdef CORO_ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#endif

/*
 * Only pages that a coroutine touches cost memory. The deepest path is a device callback that runs on the stack of
 * the CPU that happened to yield; sanitizers and unoptimised builds multiply the frames.
 */
#define STACK_SIZE (252UL * 1024)
#define GUARD_SIZE 4096UL

/*
 * A switch saves and restores the floating-point control word, and on x86 that takes ten times as long when the
 * value changes; the sticky exception flags are part of it. Clear in every coroutine and in the thread, they stay
 * equal: nothing that is switched computes with floating point.
 */
static void clear_fp_flags(void)
{
#ifdef __SSE__
	__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() & ~0x3fU);
#endif
}

static void coro_entry(transfer_t t)
{
	struct coro *from = t.data;
	struct coro *self = from->target;

	from->ctx = t.fctx;
#ifdef CORO_ASAN
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
	self->fn(self->arg);
	__builtin_trap(); /* nobody to return to */
}

int coro_create(struct coro *co, void (*fn)(void *arg), void *arg)
{
	size_t size = STACK_SIZE + GUARD_SIZE;
	char *mapping;

	mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
		       -1, 0);
	if (mapping == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(mapping, GUARD_SIZE, PROT_NONE)) {
		munmap(mapping, size);
		return -ENOMEM;
	}

	clear_fp_flags();
	memset(co, 0, sizeof(*co));
	co->fn = fn;
	co->arg = arg;
	co->mapping = mapping;
	co->mapping_size = size;
	co->ctx = make_fcontext(mapping + size, STACK_SIZE, coro_entry);
#ifdef CORO_ASAN
	co->stack_bottom = mapping + GUARD_SIZE;
	co->stack_size = STACK_SIZE;
#endif
#ifdef CORO_TSAN
	co->fiber = __tsan_create_fiber(0);
#endif
	return 0;
}

void coro_restart(struct coro *co, void (*fn)(void *arg), void *arg)
{
	co->fn = fn;
	co->arg = arg;
	co->target = NULL;
#ifdef CORO_ASAN
	/* Frames that never returned leave their redzones behind. */
	__asan_unpoison_memory_region(co->stack_bottom, co->stack_size);
	co->fake_stack = NULL;
#endif
	co->ctx = make_fcontext(co->mapping + co->mapping_size, STACK_SIZE, coro_entry);
}

void coro_destroy(struct coro *co)
{
	if (!co->mapping)
		return;
#ifdef CORO_TSAN
	__tsan_destroy_fiber(co->fiber);
#endif
#ifdef CORO_ASAN
	/* Frames that never returned leave their redzones behind, for whatever is mapped here next. */
	__asan_unpoison_memory_region(co->stack_bottom, co->stack_size);
#endif
	munmap(co->mapping, co->mapping_size);
	co->mapping = NULL;
}

void coro_adopt_thread(struct coro *co)
{
	memset(co, 0, sizeof(*co));
	clear_fp_flags();
#ifdef CORO_ASAN
	pthread_attr_t attr;
	void *bottom;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		if (!pthread_attr_getstack(&attr, &bottom, &co->stack_size))
			co->stack_bottom = bottom;
		pthread_attr_destroy(&attr);
	}
#endif
#ifdef CORO_TSAN
	co->fiber = __tsan_get_current_fiber();
#endif
}
