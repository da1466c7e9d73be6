/* SPDX-License-Identifier: GPL-2.0-only */
#include "bench/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/builtin_ini.h"
#include "bench/scenario.h"
#include "bench/version.h"

int cmd_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("simbench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static bool color_wanted(enum output_when when, FILE *f)
{
	const char *term = getenv("TERM");

	if (when != WHEN_AUTO)
		return when == WHEN_ALWAYS;
	return isatty(fileno(f)) && !getenv("NO_COLOR") && term && strcmp(term, "dumb");
}

bool cmd_use_color(const struct options *o, FILE *f)
{
	return color_wanted(o->color, f);
}

int cmd_refuse(int ret, const struct options_error *err)
{
	if (ret == -ENOMEM)
		return cmd_fail(EXIT_FAILED, "out of memory");
	return cmd_fail(ret == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "%s", err->msg);
}

int cmd_show_config(const struct options *o)
{
	return options_show_config(stdout, o) ? cmd_fail(EXIT_FAILED, "standard output: %s", strerror(errno))
					      : EXIT_OK;
}

int cmd_parse_input(struct options *o, struct options_input *in, const char *usage)
{
	struct options_error err = { "" };
	int ret;

	in->builtin_ini = builtin_machine_ini;
	ret = options_parse_input(o, in, &err);
	if (ret == OPTIONS_HELP) {
		printf("%s\n\n", usage);
		return options_help(stdout, in->scope, color_wanted(WHEN_AUTO, stdout)) ? EXIT_FAILED : EXIT_OK;
	}
	if (ret == OPTIONS_VERSION) {
		printf("simbench %s (%s)\n", simbench_version, simbench_git_commit);
		return EXIT_OK;
	}
	return ret ? cmd_refuse(ret, &err) : -1;
}

int cmd_parse(struct options *o, unsigned int scope, int argc, char **args, const char *usage)
{
	struct options_input in = { .scope = scope, .argc = argc, .argv = args };
	struct options_error err = { "" };
	int code = cmd_parse_input(o, &in, usage), ret;

	if (code >= 0)
		return code;
	ret = options_validate(o, &err);
	if (!ret)
		ret = scenario_use_engine(o, &err);
	if (ret)
		return cmd_refuse(ret, &err);
	return o->show_config ? cmd_show_config(o) : -1;
}

FILE *cmd_open_output(const struct options *o)
{
	FILE *f;

	if (!o->output[0])
		return stdout;
	f = fopen(o->output, "w");
	if (!f)
		cmd_fail(EXIT_FAILED, "--output %s: %s", o->output, strerror(errno));
	return f;
}

int cmd_close_output(FILE *f, const struct options *o)
{
	bool bad = fflush(f) || ferror(f);

	if (f != stdout)
		bad |= fclose(f) != 0;
	if (bad)
		return cmd_fail(EXIT_FAILED, "%s: cannot write the report: %s",
				o->output[0] ? o->output : "standard output", strerror(errno));
	return EXIT_OK;
}
