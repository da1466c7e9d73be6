/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/builtin_ini.h"

static const char *const scripts[] = {
	[GNUPLOT_LINES] = builtin_lines_gp,	[GNUPLOT_BARS] = builtin_bars_gp,
	[GNUPLOT_STACKED] = builtin_stacked_gp, [GNUPLOT_CDF] = builtin_cdf_gp,
	[GNUPLOT_SCATTER] = builtin_scatter_gp, [GNUPLOT_TORNADO] = builtin_tornado_gp,
};

bool gnuplot_exists(void)
{
	return !system("command -v gnuplot >/dev/null 2>&1");
}

bool gnuplot_is_picture(const char *name)
{
	size_t length = strlen(name);

	return length > 4 && !strpbrk(name, "'\"\\\n`") &&
	       (!strcmp(name + length - 4, ".svg") || !strcmp(name + length - 4, ".png"));
}

bool gnuplot_is_name(const char *name)
{
	return *name && *name != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+") == strlen(name);
}

FILE *gnuplot_open(void)
{
	/* What stops at the first line that it does not like is to be reported, not to end this program too. */
	signal(SIGPIPE, SIG_IGN);
	/* Without the user's own settings. */
	return popen("exec env LC_ALL=C.UTF-8 gnuplot -d", "w");
}

int gnuplot_close(FILE *f)
{
	return pclose(f) ? -EIO : 0;
}

/*
 * In single quotes nothing is special but the quote itself. To double it is not enough: gnuplot 5.4 does not read
 * two of them in a row, nor one at the beginning. In double quotes it is not safe either: behind it @names are
 * replaced.
 */
void gnuplot_string(FILE *f, const char *s)
{
	fputc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'.\"\\047\".'", f);
		else
			fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
	}
	fputc('\'', f);
}

void gnuplot_picture_free(struct gnuplot_picture *p)
{
	uint32_t i, k;

	free(p->title);
	free(p->footer);
	free(p->xlabel);
	free(p->ylabel);
	for (i = 0; i < GNUPLOT_MAX_PANELS; i++)
		free(p->panel_name[i]);
	for (i = 0; i < GNUPLOT_MAX_SERIES; i++)
		free(p->series_name[i]);
	for (i = 0; i < p->reference_count; i++)
		free(p->references[i].name);
	free(p->references);
	for (i = 0; i < p->category_count; i++)
		free(p->category_name[i]);
	free(p->category_name);
	for (i = 0; i < GNUPLOT_MAX_PANELS; i++)
		for (k = 0; k < GNUPLOT_MAX_SERIES; k++)
			free(p->data[i][k].values);
	memset(p, 0, sizeof(*p));
}

int gnuplot_add_value(struct gnuplot_picture *p, uint32_t panel, uint32_t series, const struct gnuplot_value *v)
{
	struct gnuplot_dataset *d = &p->data[panel][series];
	struct gnuplot_value *more;
	uint32_t capacity;

	if (d->count == d->capacity) {
		capacity = d->capacity ? 2 * d->capacity : 16;
		more = realloc(d->values, capacity * sizeof(*more));
		if (!more)
			return -ENOMEM;
		d->values = more;
		d->capacity = capacity;
	}
	d->values[d->count++] = *v;
	return 0;
}

int gnuplot_add_reference(struct gnuplot_picture *p, double value, const char *name)
{
	struct gnuplot_reference *more = realloc(p->references, (p->reference_count + 1UL) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->references = more;
	more[p->reference_count] = (struct gnuplot_reference){ value, strdup(name) };
	return more[p->reference_count++].name ? 0 : -ENOMEM;
}

int gnuplot_add_category(struct gnuplot_picture *p, const char *name)
{
	char **more = realloc(p->category_name, (p->category_count + 1UL) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	p->category_name = more;
	more[p->category_count] = strdup(name);
	return more[p->category_count++] ? 0 : -ENOMEM;
}

static void put_text(FILE *f, const char *name, const char *text)
{
	fprintf(f, "%s = ", name);
	gnuplot_string(f, text ? text : "");
	fputc('\n', f);
}

/* An array of one element at least: gnuplot has no empty ones. */
static void put_names(FILE *f, const char *name, char *const *texts, uint32_t count)
{
	uint32_t i;

	fprintf(f, "array %s[%u] = [", name, count ? count : 1);
	for (i = 0; i < count || !i; i++) {
		fputs(i ? ", " : "", f);
		gnuplot_string(f, count && texts[i] ? texts[i] : "");
	}
	fputs("]\n", f);
}

static void put_references(FILE *f, const struct gnuplot_picture *p)
{
	uint32_t i;

	fprintf(f, "reference_count = %u\narray reference_value[%u] = [", p->reference_count,
		p->reference_count ? p->reference_count : 1);
	for (i = 0; i < p->reference_count || !i; i++)
		fprintf(f, "%s%.12g", i ? ", " : "", p->reference_count ? p->references[i].value : 0.0);
	fprintf(f, "]\narray reference_name[%u] = [", p->reference_count ? p->reference_count : 1);
	for (i = 0; i < p->reference_count || !i; i++) {
		fputs(i ? ", " : "", f);
		gnuplot_string(f, p->reference_count ? p->references[i].name : "");
	}
	fputs("]\n", f);
}

static void put_data(FILE *f, const struct gnuplot_picture *p)
{
	uint32_t panel, series, i;

	fputs("$data << EOD\n", f);
	for (panel = 0; panel < p->panel_count; panel++) {
		for (series = 0; series < p->series_count; series++) {
			const struct gnuplot_dataset *d = &p->data[panel][series];

			fputs(panel || series ? "\n\n" : "", f);
			for (i = 0; i < d->count; i++)
				fprintf(f, "%.12g %.12g %.12g %.12g\n", d->values[i].x, d->values[i].y,
					d->values[i].low, d->values[i].high);
			if (!d->count)
				fputs("NaN NaN NaN NaN\n", f);
		}
	}
	fputs("EOD\n", f);
}

static void put_prelude(FILE *f, const struct gnuplot_picture *p, const char *output)
{
	uint32_t i;

	/* To gnuplot a name that begins with a bar is a command, and one that begins with a tilde is a user's. */
	fputs(*output == '/' ? "output = " : "output = './'.", f);
	gnuplot_string(f, output);
	fputc('\n', f);
	put_text(f, "title", p->title);
	put_text(f, "footer", p->footer);
	put_text(f, "xlabel", p->xlabel);
	put_text(f, "ylabel", p->ylabel);
	fprintf(f, "logx = %d\nlogy = %d\nzero = %d\n", p->logx, p->logy, p->zero);
	fprintf(f, "panel_count = %u\nseries_count = %u\ncategory_count = %u\n", p->panel_count, p->series_count,
		p->category_count);
	put_names(f, "panel_name", p->panel_name, p->panel_count);
	put_names(f, "series_name", p->series_name, p->series_count);
	put_names(f, "category_name", p->category_name, p->category_count);
	fprintf(f, "array series_style[%u] = [", p->series_count);
	for (i = 0; i < p->series_count; i++)
		fprintf(f, "%s%u", i ? ", " : "", p->series_style[i]);
	fputs("]\n", f);
	put_references(f, p);
	put_data(f, p);
}

int gnuplot_draw(const struct gnuplot_picture *p, const char *output)
{
	size_t stem = strlen(output) - strlen(".svg");
	char *part;
	FILE *f;
	int ret;

	/* Beside it, so that the former picture stays until the new one is there. */
	if (asprintf(&part, "%.*s.part%s", (int)stem, output, output + stem) < 0)
		return -ENOMEM;
	/* A gnuplot that cannot write there would write to standard output. */
	f = fopen(part, "we");
	ret = !f || fclose(f) ? -errno : 0;
	if (ret)
		goto out;
	f = gnuplot_open();
	if (!f) {
		ret = -errno;
		goto remove;
	}
	put_prelude(f, p, part);
	fputs(builtin_style_gp, f);
	fputs(scripts[p->kind], f);
	ret = gnuplot_close(f);
	if (!ret && rename(part, output))
		ret = -errno;
remove:
	if (ret)
		unlink(part);
out:
	free(part);
	return ret;
}
