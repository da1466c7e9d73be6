/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "sim/host_stats.h"

int host_lock_by_wait(const void *a, const void *b)
{
	const struct host_lock_result *x = a, *y = b;
	int order;

	if (x->wait_total_ps != y->wait_total_ps)
		return x->wait_total_ps > y->wait_total_ps ? -1 : 1;
	if (x->acquisitions != y->acquisitions)
		return x->acquisitions > y->acquisitions ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order ? order : (x->instance > y->instance) - (x->instance < y->instance);
}
