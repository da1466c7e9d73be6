/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * list.h - circular doubly linked lists in shared memory
 *
 * liburcu's list heads; the links are read and written through the platform, because who touches which link's
 * cache line is what is measured.
 */
#ifndef SIMBENCH_LIST_H
#define SIMBENCH_LIST_H

#include <urcu/list.h>

#include "platform.h"

/* A head that nobody else can see yet. */
static inline void list_init(struct cds_list_head *head)
{
	CDS_INIT_LIST_HEAD(head);
}

static inline void list_insert(struct cds_list_head *node, struct cds_list_head *prev, struct cds_list_head *next)
{
	WRITE_ONCE(next->prev, node);
	WRITE_ONCE(node->next, next);
	WRITE_ONCE(node->prev, prev);
	WRITE_ONCE(prev->next, node);
}

static inline void list_add(struct cds_list_head *node, struct cds_list_head *head)
{
	list_insert(node, head, READ_ONCE(head->next));
}

static inline void list_add_tail(struct cds_list_head *node, struct cds_list_head *head)
{
	list_insert(node, READ_ONCE(head->prev), head);
}

static inline void list_del(struct cds_list_head *node)
{
	struct cds_list_head *prev = READ_ONCE(node->prev), *next = READ_ONCE(node->next);

	WRITE_ONCE(next->prev, prev);
	WRITE_ONCE(prev->next, next);
}

static inline bool list_empty(struct cds_list_head *head)
{
	return READ_ONCE(head->next) == head;
}

#define list_for_each_entry(pos, head, member)                                                   \
	for (struct cds_list_head *_node = READ_ONCE((head)->next);                              \
	     _node != (head) && ((pos) = container_of(_node, __typeof__(*(pos)), member), true); \
	     _node = READ_ONCE(_node->next))

#endif
