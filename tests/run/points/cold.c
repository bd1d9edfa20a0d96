/* cold.c - a function of which the linker puts a part before its entry, because it seldom runs */
static volatile long sink;

__attribute__((cold, noinline, noipa)) static void seldom(long value)
{
	sink -= value;
}

__attribute__((noinline, noipa)) static long split(long value)
{
	if (value > 100) { seldom(value); seldom(value + 1); }
	return value + sink;
}

int main(void)
{
	return split(1) + split(2) + split(3) > 6;
}
