/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * topology.c - machines from hwloc, and the placement of jobs on them
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hwloc.h>

#include "sim/topology.h"

#define XML_MAX_SIZE (64U << 20)

/* What a message quotes of a value that may be of any length. */
#define QUOTE "'%.100s'"

__attribute__((format(printf, 4, 5))) static int fail(char *err, size_t err_size, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return code;
}

static int fail_too_big(const char *machine, char *err, size_t err_size)
{
	return fail(err, err_size, -E2BIG, "machine " QUOTE ": more than %d CPUs", machine, TOPOLOGY_MAX_PUS);
}

/* The end of a group of attributes or of a memory object, none of which multiplies PUs. */
static const char *skip_group(const char *p)
{
	const char *end = strchr(p, *p == '(' ? ')' : ']');

	return end ? end + 1 : p + strlen(p);
}

/*
 * Refuse a synthetic string that makes too many PUs before hwloc, which needs a minute for 65536 of them, sees
 * it. Only the arities are read here, "type:number" or a bare number a level; the rest is left to hwloc.
 */
static int check_synthetic_size(const char *machine, char *err, size_t err_size)
{
	unsigned long long product = 1, arity;
	const char *p = machine;
	size_t type_len;
	char *end;

	while (*p) {
		if (*p == '(' || *p == '[') {
			p = skip_group(p);
			continue;
		}
		if (isspace((unsigned char)*p)) {
			p++;
			continue;
		}
		type_len = strcspn(p, ": \t\n([");
		if (p[type_len] == ':')
			p += type_len + 1;
		if (!isdigit((unsigned char)*p))
			return fail(err, err_size, -EINVAL,
				    "machine " QUOTE ": neither host, nor a file, nor an hwloc synthetic string",
				    machine);
		/* hwloc reads 0x and octal numbers too */
		arity = strtoull(p, &end, 0);
		p = end;
		if (arity > TOPOLOGY_MAX_PUS || product * arity > TOPOLOGY_MAX_PUS)
			return fail_too_big(machine, err, err_size);
		product *= arity;
	}
	return 0;
}

static int set_synthetic(hwloc_topology_t hwloc, const char *machine, char *err, size_t err_size)
{
	int ret = check_synthetic_size(machine, err, err_size);

	if (ret)
		return ret;
	if (hwloc_topology_set_synthetic(hwloc, machine))
		return fail(err, err_size, -EINVAL,
			    "machine " QUOTE ": not an hwloc synthetic string, such as \"package:2 core:4 pu:2\"",
			    machine);
	return 0;
}

/* The whole file with a NUL behind it, from malloc(); a pipe will do. */
static int read_file(const char *path, char **text, size_t *size)
{
	size_t capacity = 1U << 16, used = 0;
	char *buf = NULL, *bigger;
	ssize_t n;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		ret = -EFBIG;
		if (capacity > XML_MAX_SIZE)
			goto out;
		ret = -ENOMEM;
		bigger = realloc(buf, capacity + 1);
		if (!bigger)
			goto out;
		buf = bigger;
		do {
			n = read(fd, buf + used, capacity - used);
			used += n > 0 ? (size_t)n : 0;
		} while (n > 0 && used < capacity);
		ret = n < 0 ? -errno : 0;
		capacity *= 2;
	} while (n > 0);
	if (ret)
		goto out;
	buf[used] = '\0';
	*text = buf;
	*size = used;
	buf = NULL;
out:
	free(buf);
	close(fd);
	return ret;
}

static unsigned int count_text(const char *text, const char *word)
{
	size_t len = strlen(word);
	unsigned int n = 0;

	for (; *text; text++)
		n += !strncmp(text, word, len);
	return n;
}

__attribute__((noreturn)) static void probe_child(int fd, const char *text, size_t size)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT };
	const struct rlimit no_core = { 0, 0 };
	hwloc_topology_t hwloc;

	setrlimit(RLIMIT_CORE, &no_core);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], SIG_DFL);
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 || hwloc_topology_init(&hwloc) ||
	    hwloc_topology_set_xmlbuffer(hwloc, text, (int)size + 1) || hwloc_topology_load(hwloc))
		_exit(1);
	hwloc_topology_check(hwloc);
	_exit(0);
}

/*
 * hwloc 2.9 crashes on some damaged files, complains on standard error about others, and builds trees that its own
 * check refuses from a few. So a child loads the file first: dying, failing or printing is what a bad file does.
 */
static int probe_xml(const char *text, size_t size)
{
	bool printed = false;
	int fds[2], status;
	char buf[512];
	ssize_t n;
	pid_t pid;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid < 0) {
		n = -errno;
		close(fds[0]);
		close(fds[1]);
		return (int)n;
	}
	if (!pid)
		probe_child(fds[1], text, size);
	close(fds[1]);
	while ((n = read(fds[0], buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		printed |= n > 0;
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return printed || !WIFEXITED(status) || WEXITSTATUS(status) ? -EINVAL : 0;
}

static int set_xml(hwloc_topology_t hwloc, const char *path, char *err, size_t err_size)
{
	char *text = NULL;
	size_t size = 0;
	int ret;

	ret = read_file(path, &text, &size);
	if (ret)
		return fail(err, err_size, ret, "machine " QUOTE ": cannot read it: %s", path, strerror(-ret));
	/* as hwloc writes it; with libxml it also reads other spellings, and those are counted once loaded */
	if (count_text(text, "type=\"PU\"") > TOPOLOGY_MAX_PUS) {
		ret = fail_too_big(path, err, err_size);
		goto out;
	}
	ret = probe_xml(text, size);
	if (ret == -EINVAL || (!ret && hwloc_topology_set_xmlbuffer(hwloc, text, (int)size + 1)))
		ret = fail(err, err_size, -EINVAL, "machine " QUOTE ": not an hwloc XML file, or a damaged one",
			   path);
	else if (ret)
		fail(err, err_size, ret, "machine " QUOTE ": cannot start a process that tries it: %s", path,
		     strerror(-ret));
out:
	free(text);
	return ret;
}

static bool names_file(const char *machine)
{
	size_t len = strlen(machine);

	return strchr(machine, '/') || (len >= 4 && !strcmp(machine + len - 4, ".xml"));
}

static int set_source(hwloc_topology_t hwloc, const char *machine, char *err, size_t err_size)
{
	int ret;

	if (!strcmp(machine, "host"))
		return 0;
	if (names_file(machine))
		return set_xml(hwloc, machine, err, err_size);
	ret = set_synthetic(hwloc, machine, err, err_size);
	if (ret == -EINVAL && !access(machine, F_OK))
		return set_xml(hwloc, machine, err, err_size);
	return ret;
}

/* hwloc prints only if its environment variables ask for it, or if a host's firmware contradicts itself. */
static int load_hwloc(hwloc_topology_t *hwloc, const char *machine, char *err, size_t err_size)
{
	int count, ret;

	if (hwloc_topology_init(hwloc))
		return fail(err, err_size, -ENOMEM, "machine " QUOTE ": hwloc is out of memory", machine);
	ret = set_source(*hwloc, machine, err, err_size);
	if (ret)
		goto destroy;
	if (hwloc_topology_load(*hwloc)) {
		ret = fail(err, err_size, -EINVAL, "machine " QUOTE ": hwloc cannot load it", machine);
		goto destroy;
	}
	count = hwloc_get_nbobjs_by_type(*hwloc, HWLOC_OBJ_PU);
	if (count > 0 && count <= TOPOLOGY_MAX_PUS)
		return 0;
	if (count > 0)
		ret = fail_too_big(machine, err, err_size);
	else
		ret = fail(err, err_size, -EINVAL, "machine " QUOTE ": has no CPUs", machine);
destroy:
	hwloc_topology_destroy(*hwloc);
	return ret;
}

/* The object of @type above @pu, or @otherwise where there is none. */
static hwloc_obj_t holder(hwloc_topology_t hwloc, hwloc_obj_t pu, hwloc_obj_type_t type, hwloc_obj_t otherwise)
{
	hwloc_obj_t obj = hwloc_get_ancestor_obj_by_type(hwloc, type, pu);

	return obj ? obj : otherwise;
}

/* The nearest NUMA node, maybe behind a memory-side cache; hwloc always has one, at the machine if need be. */
static hwloc_obj_t nearest_numa_node(hwloc_obj_t pu)
{
	hwloc_obj_t obj = pu;

	while (!obj->memory_first_child)
		obj = obj->parent;
	for (obj = obj->memory_first_child; obj->type != HWLOC_OBJ_NUMANODE;)
		obj = obj->memory_first_child;
	return obj;
}

/* A number for each object that holds PUs. They come in logical order, so an object's PUs come together. */
struct numbering {
	hwloc_obj_t last;
	uint32_t count;
};

static uint16_t number_of(struct numbering *nb, hwloc_obj_t obj)
{
	if (obj != nb->last) {
		nb->last = obj;
		nb->count++;
	}
	return (uint16_t)(nb->count - 1);
}

static void fill_pus(struct topology *t)
{
	struct numbering core = { 0 }, l3 = { 0 }, package = { 0 };
	hwloc_obj_t pu, package_obj;
	struct topology_pu *p;

	for (uint32_t i = 0; i < t->pu_count; i++) {
		pu = hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_PU, i);
		package_obj = holder(t->hwloc, pu, HWLOC_OBJ_PACKAGE, hwloc_get_root_obj(t->hwloc));
		p = &t->pu[i];
		p->os_index = pu->os_index;
		p->core = number_of(&core, holder(t->hwloc, pu, HWLOC_OBJ_CORE, pu));
		p->package = number_of(&package, package_obj);
		p->l3 = number_of(&l3, holder(t->hwloc, pu, HWLOC_OBJ_L3CACHE, package_obj));
		if (i && p[-1].core == p->core)
			p->smt_index = p[-1].smt_index + 1;
	}
	t->core_count = core.count;
	t->l3_count = l3.count;
	t->package_count = package.count;
}

/* Nodes need a table: one may hold the PUs on both sides of another's, and some hold none. */
static int fill_numa_nodes(struct topology *t)
{
	int node_count = hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_NUMANODE);
	uint32_t *number; /* from 1 */
	hwloc_obj_t node;

	number = calloc((size_t)node_count, sizeof(*number));
	if (!number)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->pu_count; i++) {
		node = nearest_numa_node(hwloc_get_obj_by_type(t->hwloc, HWLOC_OBJ_PU, i));
		if (!number[node->logical_index])
			number[node->logical_index] = ++t->numa_node_count;
		t->pu[i].numa_node = (uint16_t)(number[node->logical_index] - 1);
	}
	free(number);
	return 0;
}

int topology_load(struct topology *t, const char *machine, char *err, size_t err_size)
{
	int ret;

	*t = (struct topology){ 0 };
	ret = load_hwloc(&t->hwloc, machine, err, err_size);
	if (ret) {
		t->hwloc = NULL;
		return ret;
	}
	t->pu_count = (uint32_t)hwloc_get_nbobjs_by_type(t->hwloc, HWLOC_OBJ_PU);
	t->pu = calloc(t->pu_count, sizeof(*t->pu));
	if (!t->pu || fill_numa_nodes(t)) {
		topology_destroy(t);
		return fail(err, err_size, -ENOMEM, "machine " QUOTE ": out of memory", machine);
	}
	fill_pus(t);
	return 0;
}

void topology_destroy(struct topology *t)
{
	free(t->pu);
	if (t->hwloc)
		hwloc_topology_destroy(t->hwloc);
	*t = (struct topology){ 0 };
}

int topology_export_xml(const struct topology *t, const char *path)
{
	char *text;
	int size, ret = 0;
	FILE *f;

	/* hwloc would write the file itself, but not say why it cannot */
	if (hwloc_topology_export_xmlbuffer(t->hwloc, &text, &size, 0))
		return -ENOMEM;
	f = fopen(path, "we");
	if (!f) {
		ret = -errno;
		goto free_text;
	}
	if (fwrite(text, 1, (size_t)size - 1, f) != (size_t)size - 1)
		ret = -errno;
	if (fclose(f) && !ret)
		ret = -errno;
free_text:
	hwloc_free_xmlbuffer(t->hwloc, text);
	return ret;
}

/* CPUs in the order of a policy: four sort keys, of which the last, the CPU number, makes each unique. */
static uint64_t order_key(uint32_t first, uint32_t second, uint32_t third, uint32_t cpu)
{
	return (uint64_t)first << 48 | (uint64_t)second << 32 | (uint64_t)third << 16 | cpu;
}

static uint32_t order_cpu(uint64_t key)
{
	return key & 0xffff;
}

static int compare_keys(const void *a, const void *b)
{
	const uint64_t *ka = a, *kb = b;

	return (*ka > *kb) - (*ka < *kb);
}

static void order_packed(const struct topology *t, uint64_t *order)
{
	for (uint32_t i = 0; i < t->pu_count; i++)
		order[i] = order_key(t->pu[i].package, t->pu[i].smt_index, t->pu[i].core, i);
	qsort(order, t->pu_count, sizeof(*order), compare_keys);
}

/* Every core before any core's second thread, one NUMA node before the next. */
static void order_cores(const struct topology *t, uint64_t *order)
{
	for (uint32_t i = 0; i < t->pu_count; i++)
		order[i] = order_key(t->pu[i].smt_index, t->pu[i].numa_node, t->pu[i].core, i);
	qsort(order, t->pu_count, sizeof(*order), compare_keys);
}

/* First deal each package's CPUs to its L3s in turn, then the packages' CPUs to the packages in turn. */
static void order_spread(const struct topology *t, uint64_t *order)
{
	const struct topology_pu *p, *prev = NULL;
	uint32_t rank = 0;

	for (uint32_t i = 0; i < t->pu_count; i++, prev = p) {
		p = &t->pu[i];
		if (!prev || p->l3 != prev->l3)
			rank = 0;
		else if (p->core != prev->core)
			rank++;
		order[i] = order_key(p->package, p->smt_index, rank, i);
	}
	qsort(order, t->pu_count, sizeof(*order), compare_keys);

	prev = NULL;
	for (uint32_t i = 0; i < t->pu_count; i++, prev = p) {
		p = &t->pu[order_cpu(order[i])];
		rank++;
		if (!prev || p->package != prev->package || p->smt_index != prev->smt_index)
			rank = 0;
		order[i] = order_key(p->smt_index, rank, p->package, order_cpu(order[i]));
	}
	qsort(order, t->pu_count, sizeof(*order), compare_keys);
}

/* Read a decimal number at *@p and step over it; what is beyond every CPU comes back as UINT32_MAX. */
static bool parse_number(const char **p, uint32_t *number)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)**p))
		return false;
	value = strtoull(*p, &end, 10);
	*number = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
	*p = end;
	return true;
}

/* An explicit list of CPUs while it is read. */
struct cpu_list {
	const struct topology *t;
	const char *policy;
	uint64_t *order;
	uint32_t count;
	bool *taken; /* by CPU number */
	char *err;
	size_t err_size;
};

static int fail_syntax(const struct cpu_list *list)
{
	return fail(list->err, list->err_size, -EINVAL,
		    "placement " QUOTE
		    ": neither spread, nor packed, nor cores, nor a list of CPUs 0-%u such as 0-3,8",
		    list->policy, list->t->pu_count - 1);
}

static int add_range(struct cpu_list *list, uint32_t first, uint32_t last)
{
	uint32_t last_cpu = list->t->pu_count - 1;

	if (first > last_cpu || last > last_cpu)
		return fail(list->err, list->err_size, -ERANGE, "placement " QUOTE ": the machine has CPUs 0-%u",
			    list->policy, last_cpu);
	if (first > last)
		return fail(list->err, list->err_size, -EINVAL,
			    "placement " QUOTE ": the range %u-%u runs backwards", list->policy, first, last);
	for (uint32_t cpu = first; cpu <= last; cpu++) {
		if (list->taken[cpu])
			return fail(list->err, list->err_size, -EINVAL,
				    "placement " QUOTE ": CPU %u appears twice; each of 0-%u may once",
				    list->policy, cpu, last_cpu);
		list->taken[cpu] = true;
		list->order[list->count++] = cpu;
	}
	return 0;
}

static int parse_list(struct cpu_list *list)
{
	const char *p = list->policy;
	uint32_t first, last;
	int ret;

	do {
		if (!parse_number(&p, &first))
			return fail_syntax(list);
		last = first;
		if (*p == '-') {
			p++;
			if (!parse_number(&p, &last))
				return fail_syntax(list);
		}
		if (*p && *p != ',')
			return fail_syntax(list);
		ret = add_range(list, first, last);
		if (ret)
			return ret;
	} while (*p++ == ',');
	return 0;
}

/* Returns how many CPUs the list names, or an error. */
static int order_listed(const struct topology *t, const char *policy, uint64_t *order, char *err, size_t err_size)
{
	struct cpu_list list = { .t = t, .policy = policy, .order = order, .err = err, .err_size = err_size };
	int ret;

	list.taken = calloc(t->pu_count, sizeof(*list.taken));
	if (!list.taken)
		return fail(err, err_size, -ENOMEM, "placement " QUOTE ": out of memory", policy);
	ret = parse_list(&list);
	free(list.taken);
	return ret ? ret : (int)list.count;
}

int topology_place(const struct topology *t, const char *policy, unsigned int job_count, unsigned int *cpu_of_job,
		   char *err, size_t err_size)
{
	int count = (int)t->pu_count;
	uint64_t *order;

	order = calloc(t->pu_count, sizeof(*order));
	if (!order)
		return fail(err, err_size, -ENOMEM, "placement " QUOTE ": out of memory", policy);
	if (!strcmp(policy, "spread"))
		order_spread(t, order);
	else if (!strcmp(policy, "packed"))
		order_packed(t, order);
	else if (!strcmp(policy, "cores"))
		order_cores(t, order);
	else
		count = order_listed(t, policy, order, err, err_size);
	for (unsigned int job = 0; count > 0 && job < job_count; job++)
		cpu_of_job[job] = order_cpu(order[job % (unsigned int)count]);
	free(order);
	return count < 0 ? count : 0;
}
