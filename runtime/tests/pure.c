// SPDX-License-Identifier: GPL-2.0-or-later
/* pure.c - tests of the runtime's pure parts. Exit status 0: all passed. */
#include "pure.h"

int printf(const char *format, ...);
int snprintf(char *buffer, __SIZE_TYPE__ size, const char *format, ...);
int strcmp(const char *a, const char *b);
void *calloc(__SIZE_TYPE__ count, __SIZE_TYPE__ size);
void free(void *memory);
void exit(int status);
typedef unsigned long pthread_t;
int pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *), void *argument);
int pthread_join(pthread_t thread, void **result);

static int failures, checks;
static unsigned long truncations;

#define CHECK(condition)							\
	do {									\
		checks++;							\
		if (!(condition)) {						\
			failures++;						\
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);	\
		}								\
	} while (0)

/* ---- what the kernel side gives -------------------------------------------------------- */

void *rst_allocate(unsigned long size)
{
	return calloc(1, size);
}

void rst_free(void *memory)
{
	free(memory);
}

void rst_count_truncation(struct rst_context *c)
{
	truncations++;
}

static unsigned long wanted;
static bool awaits;

void rst_memory_wanted(struct rst_context *c)
{
	wanted++;
}

bool rst_memory_await(struct rst_context *c, struct rst_map *map)
{
	if (awaits)
		rst_map_grow(map, c->cpu);
	return awaits;
}

void rst_fail(struct rst_context *c, const char *text, const char *location)
{
	if (!c->error)
		c->error = text;
}

void rst_failf(struct rst_context *c, const char *location, const char *format, ...)
{
	struct rst_text t = { .start = c->error_text, .size = sizeof(c->error_text) };
	__builtin_va_list arguments;

	__builtin_va_start(arguments, format);
	rst_text_format(&t, format, arguments);
	__builtin_va_end(arguments);
	rst_fail(c, c->error_text, location);
}

void rst_scratch_exhausted(struct rst_context *c)
{
	rst_fail(c, "scratch", NULL);
}

int rst_copy_kernel(void *to, uint64_t address, unsigned long size)
{
	if (address < 4096)
		return -14;
	memcpy(to, (void *)(unsigned long)address, size);
	return 0;
}

int rst_copy_user(void *to, uint64_t address, unsigned long size)
{
	return -14;
}

uint64_t rst_read_kernel(struct rst_context *c, uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	if (rst_copy_kernel(&value, address, size))
		rst_fail(c, "kernel read fault", NULL);
	return value;
}

uint64_t rst_read_user(struct rst_context *c, uint64_t address, unsigned int size)
{
	rst_fail(c, "user read fault", NULL);
	return 0;
}

static char output_buffer[65536];

void rst_output_grow(struct rst_output *o, const char *text, unsigned int length)
{
	printf("output buffer of the test is too small\n");
	exit(1);
}

static struct rst_context *context(unsigned int cpu, unsigned int string_size)
{
	static struct rst_context contexts[8];
	static uint64_t scratch[8][16384];
	static char match[8][1024];
	struct rst_context *c = &contexts[cpu];

	memset(c, 0, sizeof(*c));
	c->cpu = cpu;
	c->string_size = string_size;
	c->scratch = (char *)scratch[cpu];
	c->scratch_end = c->scratch + sizeof(scratch[cpu]);
	c->match_buffer = match[cpu];
	c->output = (struct rst_output){ .start = output_buffer, .cursor = output_buffer,
					 .end = output_buffer + sizeof(output_buffer), .context = c };
	return c;
}

static struct rst_string text(const char *s)
{
	return (struct rst_string){ .text = s, .length = strlen(s) };
}

/* What was printed since the last call. */
static const char *printed(struct rst_context *c)
{
	*c->output.cursor = 0;
	c->output.cursor = c->output.start;
	return c->output.start;
}

/* ---- format ------------------------------------------------------------------------------ */

static void test_format(void)
{
	static const int64_t values[] = { 0, 1, -1, 9, 10, 99, 100, 12345, -12345, 1ll << 40,
					  (__LONG_LONG_MAX__), (-__LONG_LONG_MAX__ - 1) };
	static const char *const flags[] = { "", "-", "+", " ", "#", "0" };
	static const unsigned int bits[] = { 0, RST_PRINT_LEFT, RST_PRINT_PLUS, RST_PRINT_SPACE,
					     RST_PRINT_ALTERNATE, RST_PRINT_ZERO };
	static const char conversions[] = "diuoxX";
	struct rst_context *c = context(0, 512);
	char expected[128], format[32];
	unsigned int v, f, k;
	int width, precision;

	for (v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (f = 0; f < 6; f++)
			for (k = 0; k < 6; k++)
				for (width = -1; width < 30; width += 6)
					for (precision = -1; precision < 26; precision += 5) {
						char w[8] = "", p[8] = "";

						if (width > 0)
							snprintf(w, sizeof(w), "%d", width);
						if (precision >= 0)
							snprintf(p, sizeof(p), ".%d", precision);
						/* 0 with octal # and precision 0 is a corner nobody prints */
						if (precision == 0 && conversions[k] == 'o')
							continue;
						/* C has no # for 0 in hexadecimal, SystemTap's %p wants it */
						if (!values[v] && bits[f] == RST_PRINT_ALTERNATE &&
						    (conversions[k] == 'x' || conversions[k] == 'X'))
							continue;
						/* precision counts digits; C counts the octal prefix in */
						if (bits[f] == RST_PRINT_ALTERNATE && conversions[k] == 'o')
							continue;
						snprintf(format, sizeof(format), "%%%s%s%sll%c", flags[f], w, p,
							 conversions[k]);
						snprintf(expected, sizeof(expected), format, values[v]);
						rst_put_number(&c->output, values[v], conversions[k], bits[f],
							       width, precision);
						if (strcmp(printed(c), expected)) {
							printf("%s of %lld: '%s' not '%s'\n", format,
							       values[v], output_buffer, expected);
							failures++;
						}
						checks++;
					}
	rst_put_decimal(&c->output, (-__LONG_LONG_MAX__ - 1));
	CHECK(!strcmp(printed(c), "-9223372036854775808"));
	rst_put_number(&c->output, 4096, 'p', 0, -1, -1);
	CHECK(!strcmp(printed(c), "0x1000"));
	rst_put_padded(&c->output, text("abc"), RST_PRINT_LEFT, 5, 2);
	CHECK(!strcmp(printed(c), "ab   "));
	rst_put_character(&c->output, 7, RST_PRINT_ALTERNATE, -1);
	rst_put_character(&c->output, 200, RST_PRINT_ALTERNATE, -1);
	rst_put_character(&c->output, 'x', 0, 3);
	rst_put_character(&c->output, 0, 0, -1);
	CHECK(!strcmp(printed(c), "\\a\\310  x"));
	rst_put_binary(&c->output, 0x44434241, 4);
	CHECK(!strcmp(printed(c), "ABCD"));
	rst_put_memory(&c->output, c, (int64_t)(unsigned long)"hello", 1, 0, 12, 5);
	CHECK(!strcmp(printed(c), "  68656c6c6f"));
	rst_put_memory(&c->output, c, 5, 1, 0, 0, 5);
	CHECK(c->error && !strcmp(c->error, "kernel memory read fault at 0x0000000000000005 [man error::fault]"));
}

static void test_fields(void)
{
	static const struct {
		signed char small;
		char letter;
		unsigned short half;
		unsigned int bits;
		long word;
	} from = { -5, '\n', 65535, 0x1234f678, -7 };
	static const struct rst_field fields[] = {
		{ "{a=", 3, 0, 1, 56, 56, 'd', 0, 1 },
		{ ", b='", 5, 1, 1, 56, 56, 'c', RST_PRINT_ALTERNATE, 0 },
		{ "', c=", 5, 2, 2, 48, 48, 'u', 0, 0 },
		/* bits 12 to 15, as a signed and as an unsigned number */
		{ ", d=", 4, 4, 4, 48, 60, 'd', 0, 1 },
		{ ", e=", 4, 4, 4, 48, 60, 'u', 0, 0 },
		{ ", f=", 4, 4, 4, 32, 32, 'p', 0, 0 },
		{ ", g=", 4, 8, 8, 0, 0, 'd', 0, 0 },
	};
	struct rst_context *c = context(0, 8);

	rst_put_fields(&c->output, c, (uint64_t)&from, false, fields, 7);
	CHECK(!c->error);
	CHECK(!strcmp(printed(c), "{a=-5, b='\\n', c=65535, d=-1, e=15, f=0x1234f678, g=-7"));
	rst_put_fields(&c->output, c, 4095, false, fields, 7);
	CHECK(c->error && !strcmp(c->error, "kernel read fault"));
	CHECK(!strcmp(printed(c), ""));
	c->error = NULL;
	rst_put_fields(&c->output, c, (uint64_t)&from, true, fields, 7);
	CHECK(c->error && !strcmp(c->error, "user read fault"));
}

/* ---- strings ------------------------------------------------------------------------------- */

static void test_strings(void)
{
	struct rst_context *c = context(0, 8);
	struct rst_string s = rst_string_concat(c, text("abcd"), text("efgh"));
	struct rst_output o;
	unsigned int n;
	char from[40], to[40];

	CHECK(s.length == 7 && !strcmp(s.text, "abcdefg") && truncations == 1);
	o = rst_string_output(c);
	rst_put(&o, "12345", 5);
	rst_put(&o, "6789", 4);
	rst_put(&o, "x", 1);
	s = rst_string_finish(c, &o);
	CHECK(s.length == 7 && !strcmp(s.text, "1234567"));
	CHECK(rst_string_compare(text("ab"), text("abc")) < 0);
	CHECK(rst_string_compare(text("b"), text("abc")) > 0);
	CHECK(rst_string_equal(text(""), text("")));
	CHECK(rst_string_from_buffer("abc\0def", 7).length == 3);
	for (n = 0; n < sizeof(from); n++)
		from[n] = n + 1;
	for (n = 0; n < sizeof(from) - 1; n++) {
		memset(to, 0, sizeof(to));
		rst_copy(to, from, n);
		CHECK(!memcmp(to, from, n) && !to[n]);
	}
}

/* ---- statistics ------------------------------------------------------------------------------ */

static void test_stats(void)
{
	struct rst_context *c = context(0, 64), *other = context(1, 64);
	struct rst_stat_spec spec = { .histogram = RST_HISTOGRAM_LINEAR, .low = 0, .high = 100,
				      .step = 10, .needs_variance = 1, .variance_shift = 8 };
	struct rst_stat_variable *v = rst_stat_create(&spec, 2);
	struct rst_stat_spec log = { .histogram = RST_HISTOGRAM_LOG };
	struct rst_stat_variable *l = rst_stat_create(&log, 2);
	const struct rst_stat *s;
	int64_t i;

	s = rst_stat_get(c, v);
	CHECK(s->count == 0 && s->average == 0);
	for (i = 1; i <= 100; i++)
		rst_stat_add(i & 1 ? c : other, v, i);
	s = rst_stat_get(c, v);
	CHECK(s->count == 100 && s->sum == 5050 && s->minimum == 1 && s->maximum == 100);
	CHECK(s->average == 50);
	/* exactly 841.67 */
	CHECK(s->variance >= 838 && s->variance <= 845);
	CHECK(rst_histogram_buckets(&spec) == 13);
	CHECK(rst_histogram_bucket(s, &spec, 1) == 9 && rst_histogram_bucket(s, &spec, 2) == 10);
	rst_stat_add(c, v, -5);
	rst_stat_add(c, v, 1000);
	s = rst_stat_get(c, v);
	rst_put_histogram(&c->output, s, &spec);
	CHECK(!memcmp(printed(c), "value |----", 11));
	rst_stat_clear(c, v);
	CHECK(rst_stat_get(c, v)->count == 0);
	rst_stat_destroy(v);

	rst_stat_add(c, l, (-__LONG_LONG_MAX__ - 1));
	rst_stat_add(c, l, (__LONG_LONG_MAX__));
	rst_stat_add(c, l, 0);
	s = rst_stat_get(c, l);
	CHECK(rst_histogram_bucket(s, &log, 0) == 1 && rst_histogram_bucket(s, &log, 64) == 1 &&
	      rst_histogram_bucket(s, &log, 127) == 1);
	rst_put_histogram(&c->output, s, &log);
	printed(c);
	rst_stat_clear(c, l);
	for (i = 0; i < 120; i++)
		rst_stat_add(c, l, 5);
	rst_stat_add(c, l, 3000);
	rst_put_histogram(&c->output, rst_stat_get(c, l), &log);
	CHECK(!strcmp(printed(c),
		      "value |-------------------------------------------------- count\n"
		      "    1 |                                                     0\n"
		      "    2 |                                                     0\n"
		      "    4 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@           120\n"
		      "    8 |                                                     0\n"
		      "   16 |                                                     0\n"
		      "      ~\n"
		      "  512 |                                                     0\n"
		      " 1024 |                                                     0\n"
		      " 2048 |                                                     1\n"
		      " 4096 |                                                     0\n"
		      " 8192 |                                                     0\n\n"));
	rst_stat_destroy(l);
}

/* ---- maps ------------------------------------------------------------------------------------- */

static struct rst_key key(struct rst_context *c, const char *name, int64_t number)
{
	struct rst_key k = rst_key_begin(c, 1, 1, strlen(name));

	rst_key_string(&k, text(name));
	rst_key_long(&k, number);
	return k;
}

static void test_maps(void)
{
	struct rst_context *c = context(0, 64);
	struct rst_map_spec spec = { .name = "m", .key_count = 2, .key_types = { RST_STRING, RST_LONG },
				     .value_type = RST_LONG, .iterations = 4,
				     .maximum_entries = 100 };
	struct rst_map *map = rst_map_create(&spec, 64, 1);
	struct rst_iteration how = { .sort_by = RST_SORT_VALUE, .direction = -1, .limit = 5 };
	struct rst_slice slice = { .is_fixed = { 1, 0 }, .string = { text("n1") } };
	struct rst_iterator *it;
	struct rst_node *node;
	char name[16], *mark = rst_scratch_mark(c);
	int64_t i, last;
	int count;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", (int)(i % 10));
		node = rst_map_insert(c, map, key(c, name, i));
		CHECK(node && *rst_node_long(node) == 0);
		*rst_node_long(node) = i * 37 % 101;
		rst_scratch_release(c, mark);
	}
	CHECK(!c->error && !rst_map_insert(c, map, key(c, "x", 1)) && c->error);
	c->error = NULL;
	CHECK(rst_map_find(map, key(c, "n3", 13)) && !rst_map_find(map, key(c, "n3", 14)));
	it = rst_iterator_begin(c, map, &how);
	for (i = 100; (node = rst_iterator_next(it)); i--)
		CHECK(*rst_node_long(node) == i);
	CHECK(i == 95);
	rst_iterator_end(it);
	/* all, ascending, in a slice, nested four deep */
	how = (struct rst_iteration){ .sort_by = 1, .direction = 1, .limit = -1, .slice = &slice };
	it = rst_iterator_begin(c, map, &how);
	for (count = 0, last = -1; (node = rst_iterator_next(it)); count++) {
		CHECK(rst_node_key_long(map, node, 1) > last);
		last = rst_node_key_long(map, node, 1);
		CHECK(rst_string_equal(rst_node_key_string(c, map, node, 0), text("n1")));
	}
	CHECK(count == 10);
	CHECK(rst_iterator_begin(c, map, &how) && rst_iterator_begin(c, map, &how) &&
	      rst_iterator_begin(c, map, &how) && !rst_iterator_begin(c, map, &how) && c->error);
	c->error = NULL;
	for (i = 0; i < 4; i++)
		rst_iterator_end(it);
	CHECK(rst_map_contains_slice(map, &slice));
	rst_map_delete_slice(map, &slice);
	CHECK(!rst_map_contains_slice(map, &slice));
	rst_map_delete(map, key(c, "n3", 13));
	CHECK(!rst_map_find(map, key(c, "n3", 13)));
	rst_map_clear(map);
	how = (struct rst_iteration){ .sort_by = RST_SORT_NONE, .limit = -1 };
	CHECK(!rst_iterator_begin(c, map, &how));
	CHECK(rst_map_troubles(map, RST_MAP_OVERFLOW) == 1);
	rst_map_destroy(map);

	/* wrap keeps the newest */
	spec.wrap = 1;
	spec.maximum_entries = 3;
	map = rst_map_create(&spec, 64, 1);
	for (i = 0; i < 10; i++)
		CHECK(rst_map_insert(c, map, key(c, "", i)));
	CHECK(!rst_map_find(map, key(c, "", 6)) && rst_map_find(map, key(c, "", 7)));
	rst_map_destroy(map);
}

static void test_stat_maps(void)
{
	struct rst_context *c = context(0, 64), *other = context(1, 64);
	struct rst_map_spec spec = { .name = "m", .key_count = 2, .key_types = { RST_STRING, RST_LONG },
				     .value_type = RST_STAT, .iterations = 4,
				     .maximum_entries = 4 };
	struct rst_map *map = rst_map_create(&spec, 64, 2);
	struct rst_iteration how = { .sort_by = RST_SORT_VALUE, .direction = -1, .limit = -1,
				     .operation = RST_SUM };
	struct rst_iterator *it;
	struct rst_node *node;
	const struct rst_stat *s;
	int64_t i;

	for (i = 0; i < 8; i++) {
		rst_stat_map_add(c, map, key(c, "a", i % 4), i);
		rst_stat_map_add(other, map, key(other, "a", i % 4), 10 * i);
	}
	s = rst_stat_map_get(c, map, key(c, "a", 1));
	CHECK(s && s->count == 4 && s->sum == 66 && s->maximum == 50);
	CHECK(!rst_stat_map_get(c, map, key(c, "b", 1)) && rst_stat_map_contains(map, key(c, "a", 3)));
	it = rst_iterator_begin(c, map, &how);
	CHECK(it != NULL);
	for (i = 3; (node = rst_iterator_next(it)); i--) {
		CHECK(rst_node_key_long(map, node, 1) == i);
		CHECK(rst_node_stat(c, map, node)->sum == 11 * (2 * i + 4));
	}
	rst_iterator_end(it);
	rst_stat_map_add(c, map, key(c, "z", 9), 1);
	CHECK(c->error != NULL);
	c->error = NULL;
	rst_map_delete(map, key(c, "a", 0));
	rst_stat_map_add(c, map, key(c, "z", 9), 1);
	rst_stat_map_add(other, map, key(other, "y", 9), 1);
	/* five keys over two CPUs do not fit into four */
	CHECK(!rst_iterator_begin(c, map, &how) && c->error);
	rst_map_destroy(map);
}

/* A model check: random operations against a plain table. */
static void test_map_model(void)
{
	struct rst_context *c = context(0, 64);
	struct rst_map_spec spec = { .name = "m", .key_count = 1, .key_types = { RST_LONG },
				     .value_type = RST_LONG, .iterations = 4,
				     .maximum_entries = 64 };
	struct rst_map *map = rst_map_create(&spec, 64, 1);
	static int64_t model[128];
	static bool present[128];
	uint64_t random = 1;
	int i, used = 0;

	for (i = 0; i < 200000; i++) {
		uint64_t word;
		struct rst_node *node;
		struct rst_key k;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		word = random >> 57;
		k = rst_key_of(&word, 1);
		node = rst_map_find(map, k);
		CHECK((node != NULL) == present[word]);
		if (node)
			CHECK(*rst_node_long(node) == model[word]);
		if (random >> 40 & 1) {
			node = rst_map_insert(c, map, k);
			CHECK((node != NULL) == (present[word] || used < 64));
			c->error = NULL;
			if (node) {
				used += !present[word];
				present[word] = 1;
				*rst_node_long(node) = model[word] = i;
			}
		} else {
			rst_map_delete(map, k);
			used -= present[word];
			present[word] = 0;
		}
	}
	rst_map_destroy(map);
}

/* The key and value of the model below: lengths of all kinds, mostly common ones. */
static struct rst_string model_text(char *buffer, unsigned int number, unsigned int generation)
{
	unsigned int length = generation % 7 ? 1 + (number + generation) % 60 : 1 + 37 * generation % 500;

	memset(buffer, 'a' + number % 26, length);
	snprintf(buffer + length, 16, "%u", number);
	return text(buffer);
}

/*
 * Strings of changing lengths as keys and values, in memory that must grow:
 * with it at hand nothing fails, without it what fails is counted.
 */
static void test_map_growth(bool grows)
{
	struct rst_context *c = context(0, 512);
	struct rst_map_spec spec = { .name = "m", .key_count = 1, .key_types = { RST_STRING },
				     .value_type = RST_STRING, .iterations = 1,
				     .maximum_entries = 64 };
	struct rst_map *map = rst_map_create(&spec, 512, 1);
	struct rst_iteration how = { .sort_by = RST_SORT_NONE, .limit = -1 };
	static unsigned int model[64];	/* generation, 0: absent */
	char buffer[600], *mark = rst_scratch_mark(c);
	unsigned long failed = 0;
	unsigned int i, used = 0;
	uint64_t random = 7;

	memset(model, 0, sizeof(model));
	awaits = grows;
	wanted = 0;
	for (i = 1; i < 100000; i++) {
		unsigned int number, generation;
		struct rst_node *node;
		struct rst_key k;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		number = random >> 58;
		generation = model[number] ? model[number] : 1 + (random >> 32) % 1000;
		k = rst_key_begin(c, 0, 1, 600);
		rst_key_string(&k, model_text(buffer, number, generation));
		node = rst_map_find(map, k);
		CHECK((node != NULL) == (model[number] != 0));
		if (node) {
			CHECK(rst_string_equal(rst_node_key_string(c, map, node, 0),
					       model_text(buffer, number, generation)));
			CHECK(rst_string_equal(rst_node_string(c, node),
					       model_text(buffer, number + 1, generation)));
		}
		if (random >> 40 & 1) {
			node = rst_map_insert(c, map, k);
			if (node)
				rst_node_set_string(c, map, node,
						    model_text(buffer, number + 1, generation));
			CHECK(node != NULL || c->error != NULL);
			if (node && c->error)
				rst_map_delete(map, k);
			failed += c->error != NULL;
			used += !model[number] && !c->error;
			used -= model[number] && c->error;
			model[number] = c->error ? 0 : generation;
			c->error = NULL;
		} else {
			rst_map_delete(map, k);
			used -= model[number] != 0;
			model[number] = 0;
		}
		if (i % 5000 == 0) {
			rst_map_clear(map);
			memset(model, 0, sizeof(model));
			used = 0;
		}
		rst_scratch_release(c, mark);
	}
	CHECK(used != 0 || !rst_iterator_begin(c, map, &how));
	CHECK(wanted != 0 && rst_map_troubles(map, RST_MAP_OVERFLOW) == 0);
	CHECK(grows ? failed == 0 : failed > 0);
	CHECK(rst_map_troubles(map, RST_MAP_SHORTAGE) == failed);
	awaits = 0;
	rst_map_destroy(map);

	/* an array that wraps gives up old entries instead */
	spec.wrap = 1;
	map = rst_map_create(&spec, 512, 1);
	for (i = 1; i < 2000; i++) {
		struct rst_key k = rst_key_begin(c, 0, 1, 600);
		struct rst_node *node;

		rst_key_string(&k, model_text(buffer, i, 7 * i));
		node = rst_map_insert(c, map, k);
		CHECK(node != NULL && !c->error);
		rst_scratch_release(c, mark);
	}
	CHECK(rst_map_troubles(map, RST_MAP_OVERFLOW) == 0 && rst_map_troubles(map, RST_MAP_SHORTAGE) == 0);
	rst_map_destroy(map);
}

/* What the parts of two CPUs have grown by, the merged part has too. */
static void test_stat_map_growth(void)
{
	struct rst_context *c = context(0, 512), *other = context(1, 512);
	struct rst_map_spec spec = { .name = "m", .key_count = 1, .key_types = { RST_STRING },
				     .value_type = RST_STAT, .iterations = 1,
				     .maximum_entries = 64 };
	struct rst_map *map = rst_map_create(&spec, 512, 2);
	struct rst_iteration how = { .sort_by = RST_SORT_VALUE, .operation = RST_AVERAGE,
				     .direction = -1, .limit = -1 };
	char buffer[600], *mark = rst_scratch_mark(c);
	struct rst_iterator *it;
	struct rst_node *node;
	unsigned int i, count;

	for (i = 0; i < 64; i++) {
		struct rst_context *by = i % 2 ? c : other;
		struct rst_key k = rst_key_begin(c, 0, 1, 600);

		memset(buffer, 'a', 500);
		snprintf(buffer + 500, 16, "%u", i);
		rst_key_string(&k, text(buffer));
		wanted = 0;
		rst_stat_map_add(by, map, k, i);
		CHECK(!by->error);
		if (wanted)
			CHECK(rst_map_grow(map, by->cpu));
		rst_scratch_release(c, mark);
	}
	it = rst_iterator_begin(c, map, &how);
	CHECK(it && !rst_iterator_begin(c, map, &how) && c->error);
	c->error = NULL;
	for (count = 64; it && (node = rst_iterator_next(it)); count--) {
		const struct rst_stat *s = rst_node_stat(c, map, node);

		CHECK(s && s->average == count - 1 && s->count == 1);
	}
	CHECK(count == 0 && rst_map_troubles(map, RST_MAP_SHORTAGE) == 0);
	rst_map_destroy(map);
}

/* ---- regular expressions ------------------------------------------------------------------------ */

static void test_regex(void)
{
	/* a(b*)c, unanchored: states 1 start, 2 after a, 3 accepting */
	static unsigned char classes[256];
	static const unsigned short transitions[] = {
		0, 0, 0, 0, 0, /* dead */
		1, 2, 1, 1, 0, /* other a b c end */
		1, 2, 2, 3, 0, /**/
		3, 3, 3, 3, 3,
	};
	static const unsigned char accepting[] = { 0, 0, 0, 1 };
	static const unsigned int program[] = {
		RST_REGEX_SAVE, 0, 0, RST_REGEX_BYTE, 'a', 0, RST_REGEX_SAVE, 2, 0,
		RST_REGEX_SPLIT, 4, 6, RST_REGEX_BYTE, 'b', 0, RST_REGEX_JUMP, 3, 0,
		RST_REGEX_SAVE, 3, 0, RST_REGEX_BYTE, 'c', 0, RST_REGEX_SAVE, 1, 0,
		RST_REGEX_MATCH, 0, 0,
	};
	struct rst_regex regex = { .classes = classes, .transitions = transitions,
				   .is_accepting = accepting, .class_count = 5, .start = 1 };
	struct rst_context *c = context(0, 64);

	classes['a'] = 1;
	classes['b'] = 2;
	classes['c'] = 3;
	CHECK(rst_regex_match(c, &regex, text("xxabbbcx")));
	CHECK(!rst_regex_match(c, &regex, text("xxabbx")));
	CHECK(!rst_regex_match(c, &regex, text("")));
	regex.program = program;
	regex.program_length = 10;
	regex.group_count = 1;
	CHECK(rst_regex_match(c, &regex, text("xxabbbcx")));
	CHECK(c->match_count == 2 && c->match_start[0] == 2 && c->match_end[0] == 7);
	CHECK(c->match_start[1] == 3 && c->match_end[1] == 6);
	CHECK(rst_regex_match(c, &regex, text("aac")) && c->match_start[0] == 1);
	CHECK(c->match_start[1] == 2 && c->match_end[1] == 2);
}

/* ---- locks ---------------------------------------------------------------------------------------- */

static struct rst_lock counter_lock;
static long counter;

static void *hammer(void *unused)
{
	int i;

	for (i = 0; i < 200000; i++) {
		rst_lock(&counter_lock);
		counter++;
		rst_unlock(&counter_lock);
	}
	return NULL;
}

static void test_locks(void)
{
	pthread_t threads[2];
	int i;

	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, hammer, NULL);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK(counter == 400000);
}

int main(void)
{
	test_format();
	test_fields();
	test_strings();
	test_stats();
	test_maps();
	test_stat_maps();
	test_map_model();
	test_map_growth(1);
	test_map_growth(0);
	test_stat_map_growth();
	test_regex();
	test_locks();
	printf("runtime: %d checks, %d failed\n", checks, failures);
	return failures != 0;
}
