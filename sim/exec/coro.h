/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * coro.h - stackful coroutines: Boost.Context's fcontext, guarded stacks, sanitizer annotations
 */
#ifndef SIMBENCH_EXEC_CORO_H
#define SIMBENCH_EXEC_CORO_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif

#ifdef CORO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Boost.Context's C ABI (boost/context/detail/fcontext.hpp is C++ only). */
typedef void *fcontext_t;
typedef struct {
	fcontext_t fctx;
	void *data;
} transfer_t;
transfer_t jump_fcontext(fcontext_t to, void *data);
fcontext_t make_fcontext(void *stack_top, size_t size, void (*fn)(transfer_t));

struct coro {
	fcontext_t ctx;
	struct coro *target; /* whom this one is switching to; a fresh coroutine finds itself here */
	void (*fn)(void *arg);
	void *arg;
	char *mapping; /* guard page and stack; NULL for a thread's own stack */
	size_t mapping_size;
#ifdef CORO_ASAN
	const void *stack_bottom;
	size_t stack_size;
	void *fake_stack;
#endif
#ifdef CORO_TSAN
	void *fiber;
#endif
};

/**
 * coro_create - make a coroutine that will run @fn(@arg) when first switched to
 * @co: to fill in
 * @fn: must not return
 * @arg: for @fn
 *
 * Returns 0 or -ENOMEM.
 */
int coro_create(struct coro *co, void (*fn)(void *arg), void *arg);

/* Makes it begin anew at its next switch, wherever it is now. Not the running one. */
void coro_restart(struct coro *co, void (*fn)(void *arg), void *arg);

/* Frees the stack. The coroutine must not be the running one. */
void coro_destroy(struct coro *co);

/* Describes the calling thread's own stack, so that coroutines can switch back to it. */
void coro_adopt_thread(struct coro *co);

/* Leaves @from, continues @to; returns when somebody switches back to @from. */
static inline void coro_switch(struct coro *from, struct coro *to)
{
	transfer_t t;

	from->target = to;
#ifdef CORO_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->stack_bottom, to->stack_size);
#endif
#ifdef CORO_TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	t = jump_fcontext(to->ctx, from);
#ifdef CORO_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
	((struct coro *)t.data)->ctx = t.fctx;
}

#endif
