/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sync_map.pml - may a device be attached or detached while a page is mapped or unmapped?
 *
 * One domain, one page, two VT-d units. Device A is behind unit A, for which the domain was allocated; it stays
 * attached. Device B is behind unit B; CPU 1 attaches or detaches it while CPU 0 maps or unmaps the page. Any
 * number of DMAs of one of the devices run meanwhile, and each is held against what software has promised by then.
 *
 * README.md says how to run it. What is not defined with -D is chosen at the start: then all of it is checked.
 *
 * A step is one access to what others can see. What only looks at the choice, which does not change, is joined
 * with the step that follows.
 */

mtype:scenario = { attach_map, attach_unmap, detach_map, detach_unmap };
mtype:policy = { legacy, always, dynamic, dynamic_atomic, static, invs };
mtype:order = { kernel, tags_first };
mtype:kind = { plain, cm, rwbf, cm_rwbf };

/* A mistake that is made on purpose, so that it is known to be found. */
mtype:mistake = {
	none,
	keep_absent,		/* a map leaves in the IOTLB that the page is absent */
	keep_present,		/* an unmap does not invalidate */
	keep_context,		/* a detach does not invalidate the context cache */
	no_early_flush,		/* an attach flushes the write buffer after the context entry only */
	late_invs,		/* an attach publishes the array after the context entry */
	no_wait,		/* an invalidation does not wait for walks */
	no_grace_period		/* an array is freed when it has been replaced */
};

mtype:scenario scenario;
mtype:policy policy;
mtype:order order;
mtype:kind kind[2];
mtype:mistake mistake;

#define ATTACHES		(scenario == attach_map || scenario == attach_unmap)
#define MAPS			(scenario == attach_map || scenario == detach_map)

#define A			0
#define B			1
#define ONLY_A			1
#define BOTH			3

/* With -DTRACE: what happens, in words. */
#ifdef TRACE
#define SAY(what)		printf(what);
#else
#define SAY(what)
#endif

/* ---- the hardware ---- */

/*
 * Units share nothing but memory, so it is enough to follow the caches of one at a time, and the DMA of the device
 * behind it: `unit`. Operations on the other have no effect here.
 */
bit unit;

#define HAS_CM(u)		(kind[u] == cm || kind[u] == cm_rwbf)
#define HAS_RWBF(u)		(kind[u] == rwbf || kind[u] == cm_rwbf)
#define NEEDS_SYNC(u)		(HAS_CM(u) || HAS_RWBF(u))

/*
 * An entry has a value in memory, which CPUs read, and one that the unit reads. They differ only while a write is
 * in the unit's write buffer.
 */
bit pte, pte_at_unit;
bit context, context_at_unit;

/* What the unit has cached: nothing, that the entry is present, or, only with CM=1, that it is absent. */
mtype:cached = { nothing, absent, present };
mtype:cached iotlb = nothing;
mtype:cached context_cache = nothing;

/* A walk has begun and not ended. */
bit walking;

inline write_pte(value)
{
	d_step {
		SAY("page table entry written\n")
		pte = value;
		if
		:: !HAS_RWBF(unit) -> pte_at_unit = value
		:: else
		fi
	}
}

/* Of device B. */
inline write_context(value)
{
	d_step {
		if
		:: unit == B ->
			SAY("context entry written\n")
			context = value;
			if
			:: !HAS_RWBF(unit) -> context_at_unit = value
			:: else
			fi
		:: else
		fi
	}
}

inline drain()
{
	pte_at_unit = pte;
	context_at_unit = context
}

inline iommu_flush_write_buffer(u)
{
	d_step {
		if
		:: u == unit && HAS_RWBF(u) -> SAY("flushes the write buffer\n") drain()
		:: else
		fi
	}
}

/* An invalidation flushes the write buffer as well, and waits for walks that have begun. */
inline invalidate(u, cache)
{
	atomic {
		(u != unit || !walking || mistake == no_wait);
		if
		:: u == unit -> SAY("invalidates\n") drain(); cache = nothing
		:: else
		fi
	}
}

/* The write buffer lets single entries go whenever it likes. */
proctype write_buffer()
{
end:
	do
	:: d_step { pte_at_unit != pte -> SAY("page table entry drains\n") pte_at_unit = pte }
	:: d_step { context_at_unit != context -> SAY("context entry drains\n") context_at_unit = context }
	od
}

/* ---- what has been promised, and the DMA that finds out ---- */

/* A promise holds from the return of the call that gives it to the beginning of the call that takes it back. */
mtype:promise = { no_promise, works, blocked };
mtype:promise page_promise, device_promise;

/* Spin ends here. Compiled with -DPRINTF and run with -c0 it goes on, and prints each choice that breaks a rule. */
mtype:verdict = { checked, refused, M1, M2, M4 };
mtype:verdict verdict;

inline print(what)
{
	verdict = what;
	printm(scenario);
	printf(" "); printm(order);
	printf(" "); printm(policy);
	printf(" "); printm(kind[A]);
	printf(" "); printm(kind[B]);
	printf(" "); printm(mistake);
	printf(" "); printm(verdict);
	printf("\n")
}

inline broken(rule)
{
	d_step {
		print(rule);
		assert(verdict != rule);
		verdict = checked
	}
}

/* A unit caches what is present, and with CM=1 also what is absent. */
inline keep(cache)
{
	if
	:: found -> cache = present
	:: !found && HAS_CM(unit) -> cache = absent
	:: else
	fi
}

/* What it comes to. Promises were given before it began and not taken back before it ends, or they do not count. */
inline end_dma()
{
	if
	:: found -> SAY("DMA goes through\n") skip
	:: else -> SAY("DMA is blocked\n") skip
	fi;
	walking = false;
	if
	:: !found && page_before == works && page_promise == works &&
	   device_before == works && device_promise == works -> broken(M1)
	:: found && page_before == blocked && page_promise == blocked -> broken(M2)
	:: found && device_before == blocked && device_promise == blocked -> broken(M2)
	:: else
	fi;
	page_before = no_promise;
	device_before = no_promise;
	found = false
}

/*
 * A DMA has three steps, with anything in between: the unit finds the device's context entry, then the page's, and
 * then keeps that, if it was not in the IOTLB. It begins with the first and ends with the last: to begin earlier
 * or end later could only excuse it. A unit that looks a page up of its own accord does the same.
 */
proctype dma()
{
	mtype:promise page_before, device_before;
	bit found;

end:
	do
	:: atomic {
		SAY("DMA begins\n")
		page_before = page_promise;
		device_before = device_promise;
		walking = true;
		if
		:: context_cache != nothing -> found = context_cache == present
		:: else -> found = context_at_unit; keep(context_cache)
		fi
	   }
	   if
	   :: atomic { found && iotlb == nothing -> SAY("DMA reads the page table\n") found = pte_at_unit }
	      atomic { keep(iotlb); end_dma() }
	   :: atomic { !found || iotlb != nothing -> found = found && iotlb == present; end_dma() }
	   fi
	od
}

/* ---- the domain ---- */

/* Tags are on a list under cache_lock; the list is short: a bit for each unit. */
bit tag[2];
bit cache_lock;

/* `legacy`: the units that the domain has, with no lock, and whether what describes unit B has been freed. */
bit has_unit[2];
bit unit_B_freed;

/* Two bit fields in one byte: writing one of them reads the byte and writes it back. */
#define HAS_MAPPINGS		1
#define SYNC_MAP		2
byte flags;

/*
 * `invs`: an array is never changed. A change makes another one, with one more unit or one less, and publishes the
 * pointer to it: array 1 instead of array 0. The old one is freed when no reader can have it any more.
 */
byte array[2];
bit array_freed[2];
bit array_pointer;
bit in_rcu_section;

/* ---- CPU 0: map or unmap ---- */

/* What a map does to a unit, and what an unmap does. */
inline flush_np(u)
{
	if
	:: HAS_CM(u) && mistake != keep_absent -> invalidate(u, iotlb)
	:: else -> iommu_flush_write_buffer(u)
	fi
}

inline flush(u)
{
	if
	:: mistake != keep_present -> invalidate(u, iotlb)
	:: else
	fi
}

/*
 * Macros, because inlines cannot be told which of the two to do. What a unit is known by does not change between
 * the look at it and the flush: a tag for the lock, an array for being an array that nobody changes.
 */
#define FLUSH_IF(known, flush_unit, u)	atomic { if :: known -> flush_unit(u) :: else fi }

#define FLUSH_TAGS(flush_unit)								\
	atomic { !cache_lock -> SAY("walks the tags\n") cache_lock = true }		\
	FLUSH_IF(tag[A], flush_unit, A);						\
	FLUSH_IF(tag[B], flush_unit, B);						\
	cache_lock = false

#define FLUSH_INVS(flush_unit)								\
	atomic {									\
		SAY("reads the pointer to the array\n")					\
		in_rcu_section = true;							\
		mine = array_pointer							\
	}										\
	check_array();									\
	FLUSH_IF(array[mine] & (1 << A), flush_unit, A);				\
	check_array();									\
	FLUSH_IF(array[mine] & (1 << B), flush_unit, B);				\
	atomic { in_rcu_section = false; mine = 0 }

inline check_array()
{
	atomic { if :: array_freed[mine] -> broken(M4) :: else fi }
}

/* In an RCU section, too, which does not keep anybody from freeing a unit. */
inline flush_units()
{
	FLUSH_IF(has_unit[A], flush_np, A);
	/* Between finding a unit and using it there is time. */
	if
	:: has_unit[B] ->
		atomic { if :: unit_B_freed -> broken(M4) :: else fi };
		flush_np(B)
	:: else
	fi
}

inline set_has_mappings()
{
	if
	:: policy == dynamic_atomic -> flags = flags | HAS_MAPPINGS
	:: else ->
		atomic { SAY("reads the flags\n") seen = flags }
		atomic { SAY("writes the flags back, with has_mappings\n") flags = seen | HAS_MAPPINGS; seen = 0 }
	fi
}

inline iotlb_sync_map()
{
	if
	:: policy == legacy -> flush_units()
	:: policy == invs -> FLUSH_INVS(flush_np)
	:: policy == always || flags & SYNC_MAP -> FLUSH_TAGS(flush_np)
	:: else -> SAY("need not flush\n") skip
	fi
}

proctype map()
{
	byte seen;
	bit mine;

	page_promise = no_promise;
	set_has_mappings();
	write_pte(1);
	iotlb_sync_map();
	atomic { SAY("has mapped\n") page_promise = works }
}

proctype unmap()
{
	bit mine;

	page_promise = no_promise;
	write_pte(0);
	if
	:: policy == invs -> FLUSH_INVS(flush)
	:: else -> FLUSH_TAGS(flush)
	fi;
	atomic { SAY("has unmapped\n") page_promise = blocked }
}

/* ---- CPU 1: attach or detach device B ---- */

inline device_B(promise)
{
	d_step { if :: unit == B -> device_promise = promise :: else fi }
}

inline set_tag(value)
{
	d_step { !cache_lock -> SAY("changes the tag\n") tag[B] = value }
}

/* The flag is set for good. */
inline set_sync_map()
{
	if
	:: policy == dynamic && NEEDS_SYNC(B) ->
		atomic { SAY("reads the flags\n") seen = flags }
		atomic { SAY("writes the flags back, with sync_map\n") flags = seen | SYNC_MAP; seen = 0 }
	:: policy == dynamic_atomic && NEEDS_SYNC(B) -> flags = flags | SYNC_MAP
	:: else
	fi
}

inline publish_array()
{
	d_step { if :: policy == invs -> SAY("publishes the array\n") array_pointer = 1 :: else fi }
}

/* The old array is freed when every reader that can have it has left its RCU section. Nobody waits for that. */
proctype rcu()
{
end:
	d_step {
		array_pointer == 1 && (!in_rcu_section || mistake == no_grace_period) ->
		array_freed[0] = true
	}
}

inline set_context()
{
	write_context(1);
	if
	:: HAS_CM(B) ->
		invalidate(B, context_cache);
		invalidate(B, iotlb)
	:: else -> iommu_flush_write_buffer(B)
	fi
}

inline clear_context()
{
	write_context(0);
	atomic { if :: mistake != keep_context -> invalidate(B, context_cache) :: else fi };
	invalidate(B, iotlb)
}

inline flush_early()
{
	atomic { if :: mistake != no_early_flush -> iommu_flush_write_buffer(B) :: else fi }
}

/* With `invs` the array and a flush come before the context entry in either order; it does not need the tags. */
proctype attach()
{
	byte seen;

	SAY("attaches\n") device_B(no_promise);
	has_unit[B] = true;
	atomic { if :: mistake != late_invs -> publish_array() :: else fi };
	if
	:: order == tags_first -> set_tag(1); set_sync_map(); flush_early(); set_context()
	:: order == kernel && policy == invs -> flush_early(); set_context(); set_tag(1)
	:: order == kernel && policy != invs -> set_context(); set_tag(1); set_sync_map()
	fi;
	atomic { if :: mistake == late_invs -> publish_array() :: else fi };
	SAY("has attached\n") device_B(works)
}

proctype detach()
{
	SAY("detaches\n") device_B(no_promise);
	if
	:: order == tags_first -> clear_context(); set_tag(0)
	:: order == kernel -> set_tag(0); clear_context()
	fi;
	publish_array();
	has_unit[B] = false;
	unit_B_freed = true;
	SAY("has detached\n") device_B(blocked)
}

/* ---- what is checked ---- */

inline choose()
{
#ifdef SCENARIO
	scenario = SCENARIO;
#else
	if
	:: scenario = attach_map
	:: scenario = attach_unmap
	:: scenario = detach_map
	:: scenario = detach_unmap
	fi;
#endif
#ifdef POLICY
	policy = POLICY;
#else
	if
	:: MAPS -> policy = legacy	/* it differs from `always` in what a map does */
	:: policy = always
	:: policy = dynamic
	:: policy = dynamic_atomic
	:: policy = static
	:: policy = invs
	fi;
#endif
#ifdef ORDER
	order = ORDER;
#else
	if
	:: order = kernel
	:: order = tags_first
	fi;
#endif
#ifdef KIND_A
	kind[A] = KIND_A;
#else
	if
	:: kind[A] = plain
	:: kind[A] = cm
	:: kind[A] = rwbf
	fi;
#endif
#ifdef KIND_B
	kind[B] = KIND_B;
#else
	if
	:: kind[B] = plain
	:: kind[B] = cm
	:: kind[B] = rwbf
	:: kind[B] = cm_rwbf
	fi;
#endif
#ifdef MISTAKE
	mistake = MISTAKE;
#else
	if
	:: mistake = none
	:: order == tags_first && (policy == always || policy == invs) && kind[A] == plain && kind[B] == cm_rwbf ->
		if
		:: mistake = keep_absent
		:: mistake = keep_present
		:: mistake = keep_context
		:: mistake = no_early_flush
		:: mistake = late_invs
		:: mistake = no_wait
		:: mistake = no_grace_period
		fi
	fi;
#endif
	if
	:: unit = A
	:: unit = B
	fi
}

/* Device A is attached, in some scenarios B, too, and then the page may have been mapped. */
inline set_up()
{
	tag[A] = true;
	has_unit[A] = true;
	tag[B] = !ATTACHES;
	has_unit[B] = !ATTACHES;
	array[0] = (ATTACHES -> ONLY_A : BOTH);
	array[1] = (ATTACHES -> BOTH : ONLY_A);
	if
	:: (policy == dynamic || policy == dynamic_atomic) && (NEEDS_SYNC(A) || NEEDS_SYNC(B) && !ATTACHES) ||
	   policy == static && NEEDS_SYNC(A) -> flags = SYNC_MAP
	:: else
	fi;
	context = unit == A || !ATTACHES;
	context_at_unit = context;
	device_promise = (context -> works : blocked);
	if
	:: MAPS -> page_promise = blocked
	:: else ->
		flags = flags | HAS_MAPPINGS;
		page_promise = works;
		pte = 1;
		/* Nobody has flushed the write buffer of a unit that the domain did not have. */
		pte_at_unit = context || !HAS_RWBF(unit)
	fi
}

init {
	atomic {
		choose();
		if
		:: policy == static && NEEDS_SYNC(B) && !NEEDS_SYNC(A) -> print(refused)
		:: else ->
			print(checked);
			set_up();
			run write_buffer();
			/* A device that can always go on would hide that the CPUs cannot. */
			if
			:: run dma()
			:: skip
			fi;
			run rcu();
			if
			:: MAPS -> run map()
			:: else -> run unmap()
			fi;
			if
			:: ATTACHES -> run attach()
			:: else -> run detach()
			fi
		fi
	}
}
