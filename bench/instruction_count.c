/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/instruction_count.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The child's side. */
struct marks {
	int pipe; /* to the parent: which thread to trace, or 0 where that is not allowed */
	bool traced;
};

/* The first mark hands the calling thread over to the parent; each stops it. */
static void stop_at_mark(void *arg)
{
	struct marks *m = arg;
	pid_t thread = (pid_t)syscall(SYS_gettid);

	if (!m->traced) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			thread = 0;
		if (write(m->pipe, &thread, sizeof(thread)) != sizeof(thread) || !thread)
			_exit(1);
		m->traced = true;
	}
	syscall(SYS_tgkill, getpid(), thread, SIGSTOP);
}

/* Waits for the thread's next stop; returns the signal that it is for, or 0 when the thread has ended. */
static int wait_for_stop(pid_t thread)
{
	int status;

	while (waitpid(thread, &status, __WALL) < 0)
		if (errno != EINTR)
			return 0;
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int step_to_mark(pid_t thread, uint32_t limit_ms, uint64_t *count)
{
	uint64_t end_ms = now_ms() + limit_ms;
	int sig = wait_for_stop(thread);

	*count = 0;
	if (sig != SIGSTOP)
		return -ECHILD;
	for (;;) {
		/* What is not the stepping's own goes on to the child. */
		int deliver = sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;

		if (*count % 1024 == 0 && now_ms() > end_ms)
			return -ETIME;
		if (ptrace(PTRACE_SINGLESTEP, thread, NULL, (void *)(long)deliver))
			return -ECHILD;
		sig = wait_for_stop(thread);
		if (!sig)
			return -ECHILD;
		if (sig == SIGSTOP)
			return 0;
		*count += sig == SIGTRAP;
	}
}

/* The thread to trace, once it is at its first mark: 0 where that is not allowed, -1 when there is none. */
static pid_t read_thread(int from_child)
{
	pid_t thread;
	ssize_t n;

	do
		n = read(from_child, &thread, sizeof(thread));
	while (n < 0 && errno == EINTR);
	return n == sizeof(thread) ? thread : -1;
}

static void reap(pid_t id)
{
	while (waitpid(id, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static int trace(pid_t child, int from_child, uint32_t limit_ms, uint64_t *count)
{
	pid_t thread = read_thread(from_child);
	int ret;

	if (thread > 0)
		ret = step_to_mark(thread, limit_ms, count);
	else
		ret = thread ? -ECHILD : -EPERM;
	kill(child, SIGKILL);
	/* The process is not over as long as its tracer has not heard of the end of the thread. */
	if (thread > 0 && thread != child)
		reap(thread);
	reap(child);
	return ret;
}

int count_instructions(void (*run)(void *arg, void (*mark)(void *mark_arg), void *mark_arg), void *arg,
		       uint32_t limit_ms, uint64_t *count)
{
	int fds[2], ret;
	pid_t child;

	if (pipe(fds))
		return -EAGAIN;
	child = fork();
	if (!child) {
		struct marks marks = { .pipe = fds[1] };

		close(fds[0]);
		run(arg, stop_at_mark, &marks);
		_exit(1);
	}
	ret = child < 0 ? -errno : 0;
	close(fds[1]);
	if (!ret)
		ret = trace(child, fds[0], limit_ms, count);
	close(fds[0]);
	return ret;
}
