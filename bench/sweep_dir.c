/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/sweep_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/options_table.h"
#include "bench/report.h"
#include "bench/version.h"

#define MANIFEST "manifest.json"
#define POINTS "points.jsonl"
#define TABLE "points.csv"

/* As in every report. */
#define REAL_DIGITS JSON_REAL_PRECISION(12)

/* A line is a few KiB; what is longer is not ours. */
#define MAX_LINE (16U << 20)

static int failed(struct options_error *err, int ret, const char *path, const char *name)
{
	option_error(err, "%s%s%s: %s", path, name ? "/" : "", name ? name : "", strerror(-ret));
	return ret;
}

static char *name_in(const char *path, const char *name)
{
	char *full;

	return asprintf(&full, "%s/%s", path, name) < 0 ? NULL : full;
}

bool sweep_dir_is(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* ---- whole files ---- */

/* After a rename or a creation: until then the directory may forget it. */
static int sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	/* Some file systems cannot sync a directory, and need not. */
	if (fsync(fd) && errno != EINVAL && errno != EROFS)
		ret = -errno;
	close(fd);
	return ret;
}

/* Replaces a file of the directory as a whole: after a crash there is the old one or the new one. */
static int replace_file(const struct sweep_dir *d, const char *name,
			int (*write)(const struct sweep_dir *d, FILE *f))
{
	char *full = name_in(d->path, name), *part = NULL;
	FILE *f = NULL;
	int ret = -ENOMEM;

	if (!full || asprintf(&part, "%s.part", full) < 0)
		goto out;
	f = fopen(part, "we");
	if (!f) {
		ret = -errno;
		goto out;
	}
	errno = EIO;
	ret = write(d, f);
	if (!ret && (fflush(f) || ferror(f) || fsync(fileno(f))))
		ret = -errno;
	if (fclose(f) && !ret)
		ret = -errno;
	if (!ret && rename(part, full))
		ret = -errno;
	if (ret)
		unlink(part);
	else
		ret = sync_directory(d->path);
out:
	free(full);
	free(part);
	return ret;
}

static int write_manifest(const struct sweep_dir *d, FILE *f)
{
	if (json_dumpf(d->manifest, f, JSON_INDENT(2) | REAL_DIGITS))
		return ferror(f) ? -errno : -ENOMEM;
	fputc('\n', f);
	return 0;
}

static int read_manifest(const char *path, json_t **manifest, struct options_error *err)
{
	char *full = name_in(path, MANIFEST);
	json_error_t error;
	FILE *f;
	int ret = 0;

	*manifest = NULL;
	if (!full)
		return -ENOMEM;
	f = fopen(full, "re");
	if (!f) {
		ret = -errno;
	} else {
		*manifest = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
		if (!*manifest)
			ret = option_error(err, "%s:%d: %s", full, error.line, error.text);
		else if (json_integer_value(json_object_get(*manifest, "schema_version")) != SWEEP_SCHEMA_VERSION)
			ret = option_error(err, "%s: not the manifest of a sweep of this version of simbench",
					   full);
		fclose(f);
	}
	free(full);
	return ret;
}

/* ---- manifests ---- */

json_t *sweep_dir_manifest(const struct cmd_context *ctx, const struct sweep *s, const struct options *base,
			   const json_t *plots, uint32_t shard, uint32_t shards)
{
	struct runner no_time = { .threads = 0 };
	json_t *part =
		shards > 1 ? json_pack("{s:i, s:i}", "number", (int)shard + 1, "of", (int)shards) : json_null();

	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:b}", "schema_version",
			 SWEEP_SCHEMA_VERSION, "version", simbench_version, "git_commit", simbench_git_commit,
			 "context", report_context(ctx, &no_time, 0, 0), "sweep", sweep_to_json(s), "points",
			 (json_int_t)s->count, "shard", part, "config", options_to_json(base, base->scope), "plots",
			 plots ? json_incref((json_t *)plots) : json_array(), "complete", 0);
}

static void describe(const char *key, const json_t *a, const json_t *b, char *buf, size_t size)
{
	char *ta = a ? json_dumps(a, JSON_ENCODE_ANY | REAL_DIGITS) : NULL;
	char *tb = b ? json_dumps(b, JSON_ENCODE_ANY | REAL_DIGITS) : NULL;

	snprintf(buf, size, "%s: %.100s and %.100s", key, ta ? ta : "none", tb ? tb : "none");
	free(ta);
	free(tb);
}

const char *sweep_manifest_difference(const json_t *a, const json_t *b, char *buf, size_t size)
{
	static const char *const keys[] = { "version", "git_commit", "config", "sweep", "points", "shard" };
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *va = json_object_get(a, keys[i]), *vb = json_object_get(b, keys[i]), *member;
		const char *key;

		if (va && vb && json_equal(va, vb))
			continue;
		json_object_foreach(json_is_object(vb) ? (json_t *)va : NULL, key, member) {
			if (!json_equal(member, json_object_get(vb, key))) {
				describe(key, member, json_object_get(vb, key), buf, size);
				return buf;
			}
		}
		describe(keys[i], va, vb, buf, size);
		return buf;
	}
	return buf;
}

/* ---- points.jsonl ---- */

static uint64_t points_of(const struct sweep *s, uint32_t shard, uint32_t shards)
{
	return s->count > shard ? (s->count - shard - 1) / shards + 1 : 0;
}

bool sweep_dir_wants(const struct sweep_dir *d, uint64_t index)
{
	return index < d->sweep.count && index % d->shards == d->shard;
}

bool sweep_dir_has(const struct sweep_dir *d, uint64_t index)
{
	return d->records[index].length;
}

json_t *sweep_record_json(const struct sweep *s, uint64_t index, json_t *result, const char *skipped)
{
	json_t *point = sweep_point_json(s, index);

	if (result)
		return json_pack("{s:I, s:o, s:o}", "index", (json_int_t)index, "point", point, "result", result);
	return json_pack("{s:I, s:o, s:s}", "index", (json_int_t)index, "point", point, "skipped", skipped);
}

/* One whole line. */
static int take_line(struct sweep_dir *d, const char *line, size_t length, uint64_t number,
		     struct options_error *err)
{
	json_t *record = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	json_int_t index = record ? json_integer_value(json_object_get(record, "index")) : -1;
	int ret = 0;

	if (!json_is_integer(json_object_get(record, "index")) || index < 0 ||
	    !sweep_dir_wants(d, (uint64_t)index) ||
	    (!json_object_get(record, "result") && !json_object_get(record, "skipped")))
		ret = option_error(err, "%s/%s:%llu: not a point of this sweep: the file is damaged", d->path,
				   POINTS, (unsigned long long)number);
	else if (sweep_dir_has(d, (uint64_t)index))
		ret = option_error(err, "%s/%s:%llu: point %lld is there twice", d->path, POINTS,
				   (unsigned long long)number, (long long)index);
	else {
		d->records[index] = (struct sweep_record){ d->size, (uint32_t)length };
		d->size += length;
		d->done++;
		d->skipped += json_object_get(record, "skipped") != NULL;
	}
	json_decref(record);
	return ret;
}

/* Finds the lines. What is behind the last newline was being written when the writer died, or is being written. */
static int scan(struct sweep_dir *d, struct options_error *err)
{
	FILE *f;
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	uint64_t number = 0;
	int ret = 0, fd = dup(d->fd);

	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		return failed(err, ret, d->path, POINTS);
	}
	rewind(f);
	while (!ret && (length = getline(&line, &room, f)) > 0) {
		number++;
		if (line[length - 1] != '\n')
			break;
		ret = take_line(d, line, (size_t)length, number, err);
	}
	if (!ret && ferror(f))
		ret = failed(err, -errno, d->path, POINTS);
	free(line);
	fclose(f);
	return ret;
}

/* The numbering of the points, which the manifest has. */
static int load_sweep(struct sweep_dir *d, struct options_error *err)
{
	const json_t *shard = json_object_get(d->manifest, "shard");
	json_int_t number = 1, of = 1;
	int ret = sweep_from_json(&d->sweep, json_object_get(d->manifest, "sweep"));

	if (json_is_object(shard)) {
		number = json_integer_value(json_object_get(shard, "number"));
		of = json_integer_value(json_object_get(shard, "of"));
	}
	if (ret == -EINVAL || number < 1 || of < number || of > SWEEP_MAX_POINTS)
		return option_error(err, "%s/%s: damaged", d->path, MANIFEST);
	if (ret)
		return ret;
	d->shard = (uint32_t)number - 1;
	d->shards = (uint32_t)of;
	d->wanted = points_of(&d->sweep, d->shard, d->shards);
	d->records = calloc(d->sweep.count, sizeof(*d->records));
	return d->records ? 0 : -ENOMEM;
}

static int open_points(struct sweep_dir *d, int flags, struct options_error *err)
{
	char *full = name_in(d->path, POINTS);
	int ret = 0;

	if (!full)
		return -ENOMEM;
	d->fd = open(full, flags | O_CLOEXEC, 0666);
	if (d->fd < 0)
		ret = failed(err, -errno, d->path, POINTS);
	free(full);
	return ret;
}

static int init(struct sweep_dir *d, const char *path)
{
	memset(d, 0, sizeof(*d));
	d->fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	d->path = strdup(path);
	return d->path ? 0 : -ENOMEM;
}

/* An empty directory, or one with nothing but the lock of somebody who died before the manifest was there. */
static int check_unused(const struct sweep_dir *d, struct options_error *err)
{
	struct stat st;
	char *full = name_in(d->path, POINTS);
	int ret = 0;

	if (!full)
		return -ENOMEM;
	if (!stat(full, &st) && st.st_size)
		ret = option_error(err, "%s: has %s but no %s: not a sweep's directory", d->path, POINTS, MANIFEST);
	free(full);
	return ret;
}

/* Compares what is there with what is wanted, and keeps the wanted one: its plots are newer. */
static int settle_manifest(struct sweep_dir *d, struct options_error *err)
{
	char difference[300];
	json_t *old;
	int ret = read_manifest(d->path, &old, err);

	if (ret == -ENOENT) {
		ret = check_unused(d, err);
	} else if (ret) {
		if (ret != -EINVAL)
			failed(err, ret, d->path, MANIFEST);
	} else if (*sweep_manifest_difference(old, d->manifest, difference, sizeof(difference))) {
		ret = option_error(err, "%s: is the directory of another sweep: %s: choose another one with -o",
				   d->path, difference);
	} else {
		/* When it was begun. */
		json_object_set(d->manifest, "context", json_object_get(old, "context"));
	}
	json_decref(old);
	return ret;
}

int sweep_dir_create(struct sweep_dir *d, const char *path, json_t *manifest, struct options_error *err)
{
	int ret = init(d, path);

	d->manifest = manifest;
	if (ret || !manifest)
		return -ENOMEM;
	if (mkdir(path, 0777) && errno != EEXIST)
		return failed(err, -errno, path, NULL);
	if (!sweep_dir_is(path))
		return option_error(err, "%s: not a directory", path);
	/* The lock comes first, and with it points.jsonl: two beginners must not both think that they are alone. */
	ret = open_points(d, O_RDWR | O_CREAT | O_APPEND, err);
	if (ret)
		return ret;
	if (flock(d->fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return failed(err, -errno, path, POINTS);
		option_error(err, "%s: another simbench is writing to it", path);
		return -EBUSY;
	}
	ret = settle_manifest(d, err);
	if (!ret)
		ret = load_sweep(d, err);
	if (!ret)
		ret = scan(d, err);
	if (ret)
		return ret;
	if (ftruncate(d->fd, (off_t)d->size) || fsync(d->fd))
		return failed(err, -errno, path, POINTS);
	ret = replace_file(d, MANIFEST, write_manifest);
	if (ret)
		return failed(err, ret, path, MANIFEST);
	d->writing = true;
	return 0;
}

int sweep_dir_open(struct sweep_dir *d, const char *path, struct options_error *err)
{
	int ret = init(d, path);

	if (ret)
		return ret;
	ret = read_manifest(path, &d->manifest, err);
	if (ret == -ENOENT)
		return option_error(err, "%s: not a sweep's directory: there is no %s", path, MANIFEST);
	if (ret)
		return ret == -EINVAL ? ret : failed(err, ret, path, MANIFEST);
	ret = open_points(d, O_RDONLY, err);
	if (!ret)
		ret = load_sweep(d, err);
	return ret ? ret : scan(d, err);
}

void sweep_dir_close(struct sweep_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->records);
	free(d->path);
	json_decref(d->manifest);
	sweep_destroy(&d->sweep);
	pthread_mutex_destroy(&d->lock);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? -errno : -EIO;
		data += written;
		length -= (size_t)written;
	}
	return 0;
}

/* The line with its newline, which the caller frees. */
static char *record_line(const json_t *record, size_t *length)
{
	char *text = json_dumps(record, JSON_COMPACT | REAL_DIGITS), *line;

	if (!text)
		return NULL;
	*length = strlen(text) + 1;
	line = realloc(text, *length + 1);
	if (!line) {
		free(text);
		return NULL;
	}
	strcpy(line + *length - 1, "\n");
	return line;
}

int sweep_dir_append(struct sweep_dir *d, uint64_t index, const json_t *record)
{
	size_t length = 0;
	char *line = record ? record_line(record, &length) : NULL;
	int ret;

	if (!line)
		return -ENOMEM;
	if (length > MAX_LINE) {
		free(line);
		return -EFBIG;
	}
	pthread_mutex_lock(&d->lock);
	/* Behind part of a line nothing may follow: the next start takes away what comes last, and only that. */
	ret = d->broken ? -EIO : write_all(d->fd, line, length);
	if (!ret && fdatasync(d->fd))
		ret = -errno;
	if (!ret) {
		d->records[index] = (struct sweep_record){ d->size, (uint32_t)length };
		d->size += length;
		d->done++;
		d->skipped += json_object_get(record, "skipped") != NULL;
	} else if (ftruncate(d->fd, (off_t)d->size)) {
		d->broken = true;
	}
	pthread_mutex_unlock(&d->lock);
	free(line);
	return ret;
}

static int read_line(const struct sweep_dir *d, const struct sweep_record *r, char *buf)
{
	size_t done = 0;

	while (done < r->length) {
		ssize_t got = pread(d->fd, buf + done, r->length - done, (off_t)(r->offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

int sweep_dir_read(const struct sweep_dir *d, uint64_t index, json_t **record)
{
	const struct sweep_record *r = &d->records[index];
	char *buf;
	int ret;

	*record = NULL;
	if (!r->length)
		return -ENOENT;
	buf = malloc(r->length);
	if (!buf)
		return -ENOMEM;
	ret = read_line(d, r, buf);
	if (!ret) {
		*record = json_loadb(buf, r->length, 0, NULL);
		if (!*record)
			ret = -EINVAL;
	}
	free(buf);
	return ret;
}

/* ---- the end ---- */

static bool in_order(const struct sweep_dir *d)
{
	uint64_t index, offset = 0;

	for (index = 0; index < d->sweep.count; index++) {
		if (!d->records[index].length)
			continue;
		if (d->records[index].offset != offset)
			return false;
		offset += d->records[index].length;
	}
	return true;
}

static int write_in_order(const struct sweep_dir *d, FILE *f)
{
	uint64_t index;
	char *buf = NULL;
	size_t room = 0;
	int ret = 0;

	for (index = 0; !ret && index < d->sweep.count; index++) {
		const struct sweep_record *r = &d->records[index];

		if (r->length > room) {
			char *more = realloc(buf, r->length);

			if (!more) {
				ret = -ENOMEM;
				break;
			}
			buf = more;
			room = r->length;
		}
		if (r->length)
			ret = read_line(d, r, buf);
		if (!ret && r->length && fwrite(buf, 1, r->length, f) != r->length)
			ret = -errno;
	}
	free(buf);
	return ret;
}

/* The lock stays with the old file, which is gone: whoever comes now sees a complete sweep. */
static int put_in_order(struct sweep_dir *d, struct options_error *err)
{
	uint64_t index, offset = 0;
	int old = d->fd, ret;

	ret = replace_file(d, POINTS, write_in_order);
	if (ret)
		return failed(err, ret, d->path, POINTS);
	ret = open_points(d, O_RDWR | O_APPEND, err);
	if (ret) {
		d->fd = old;
		return ret;
	}
	close(old);
	flock(d->fd, LOCK_EX | LOCK_NB);
	for (index = 0; index < d->sweep.count; index++) {
		d->records[index].offset = offset;
		offset += d->records[index].length;
	}
	return 0;
}

/* RFC 4180: quoted where it has to be, quotes doubled. */
static void write_field(FILE *f, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, f);
		return;
	}
	fputc('"', f);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', f);
		fputc(*text, f);
	}
	fputc('"', f);
}

static void write_value(FILE *f, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		write_field(f, json_string_value(value));
	} else if (value && !json_is_null(value)) {
		text = json_dumps(value, JSON_ENCODE_ANY | REAL_DIGITS);
		write_field(f, text ? text : "");
		free(text);
	}
}

static int add_column(void *columns, const char *path, const json_t *value)
{
	(void)value;
	return json_object_set_new(columns, path, json_null()) ? -ENOMEM : 0;
}

static int set_column(void *columns, const char *path, const json_t *value)
{
	return json_object_set((json_t *)columns, path, (json_t *)value) ? -ENOMEM : 0;
}

/* Calls @fn for each point with a result, in order. */
static int each_result(const struct sweep_dir *d,
		       int (*fn)(void *arg, const struct sweep_dir *d, uint64_t index, const json_t *result),
		       void *arg)
{
	uint64_t index;
	int ret = 0;

	for (index = 0; !ret && index < d->sweep.count; index++) {
		json_t *record, *result;

		if (!d->records[index].length)
			continue;
		ret = sweep_dir_read(d, index, &record);
		result = json_object_get(record, "result");
		if (!ret && result)
			ret = fn(arg, d, index, result);
		json_decref(record);
	}
	return ret;
}

static int collect_columns(void *columns, const struct sweep_dir *d, uint64_t index, const json_t *result)
{
	(void)d;
	(void)index;
	return measure_each(result, add_column, columns);
}

struct table {
	FILE *f;
	json_t *columns;
};

static int write_row(void *arg, const struct sweep_dir *d, uint64_t index, const json_t *result)
{
	struct table *t = arg;
	json_t *row = json_copy(t->columns), *value;
	const char *key;
	uint32_t i;
	int ret;

	ret = row ? measure_each(result, set_column, row) : -ENOMEM;
	if (!ret) {
		fprintf(t->f, "%llu", (unsigned long long)index);
		for (i = 0; i < d->sweep.axis_count; i++) {
			fputc(',', t->f);
			write_field(t->f, d->sweep.axes[i].values[sweep_value(&d->sweep, index, i)]);
		}
		json_object_foreach(row, key, value) {
			fputc(',', t->f);
			write_value(t->f, value);
		}
		fputs("\r\n", t->f);
	}
	json_decref(row);
	return ret;
}

/* Its column has that name already. An axis says what was asked for, a result what was simulated. */
static bool is_axis(const struct sweep_dir *d, const char *name)
{
	unsigned int option = option_find(name);

	return option != OPTION_COUNT && sweep_axis_of(&d->sweep, option);
}

static int write_table(const struct sweep_dir *d, FILE *f)
{
	struct table t = { .f = f, .columns = json_object() };
	const char *key;
	json_t *value;
	uint32_t i;
	int ret = t.columns ? each_result(d, collect_columns, t.columns) : -ENOMEM;

	if (!ret) {
		fputs("index", f);
		for (i = 0; i < d->sweep.axis_count; i++)
			fprintf(f, ",%s", option_row(d->sweep.axes[i].option)->name);
		json_object_foreach(t.columns, key, value)
			fprintf(f, ",%s%s", is_axis(d, key) ? "result." : "", key);
		fputs("\r\n", f);
		ret = each_result(d, write_row, &t);
	}
	json_decref(t.columns);
	return ret;
}

int sweep_dir_finish(struct sweep_dir *d, struct options_error *err)
{
	int ret;

	if (d->done == d->wanted && !in_order(d)) {
		ret = put_in_order(d, err);
		if (ret)
			return ret;
	}
	ret = replace_file(d, TABLE, write_table);
	if (ret)
		return failed(err, ret, d->path, TABLE);
	if (d->done < d->wanted)
		return 0;
	json_object_set_new(d->manifest, "complete", json_true());
	ret = replace_file(d, MANIFEST, write_manifest);
	return ret ? failed(err, ret, d->path, MANIFEST) : 0;
}
