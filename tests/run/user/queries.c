// SPDX-License-Identifier: GPL-2.0-or-later
/* Stands in for a database client: SendQuery() takes as long as its text says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct result {
	int rows;
	const char *status;
	struct result *previous;
};

int sent;
static struct result *last;

__attribute__((noinline)) struct result *finish(struct result *result, int rows)
{
	result->rows = rows;
	result->status = rows ? "some" : "none";
	return result;
}

__attribute__((noinline)) int SendQuery(const char *query)
{
	struct result *result = malloc(sizeof(*result));
	struct timespec pause = { 0, 100000000 };

	if (!result)
		return 0;
	sent++;
	result->previous = last;
	if (strstr(query, "slow"))
		nanosleep(&pause, NULL);
	last = finish(result, (int)strlen(query));
	return last->rows > 0;
}

int main(int argc, char **argv)
{
	int i, count = argc > 1 ? atoi(argv[1]) : 3;

	for (i = 0; i < count; i++) {
		SendQuery("SELECT 1");
		SendQuery("SELECT slow");
		if (i == 0)
			SendQuery("COMMIT");
	}
	return sent > 0 ? 0 : 1;
}
