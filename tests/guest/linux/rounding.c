// Rounding modes and sticky flags take effect at the very next operation, without a system call in between.
#include <fenv.h>
#include <stdio.h>

static volatile double one = 1, three = 3, huge = 1e300, tiny = 1e-300, zero;

int main(void)
{
	static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
	double quotient[4][2];
	int flags[4];
	for (int i = 0; i < 4; i++) {
		fesetround(modes[i]);
		quotient[i][0] = one / three;
		quotient[i][1] = -one / three;
	}
	feclearexcept(FE_ALL_EXCEPT);
	one = three * three;
	flags[0] = fetestexcept(FE_ALL_EXCEPT) != 0;
	zero = one / three / huge * tiny;
	flags[1] = fetestexcept(FE_UNDERFLOW | FE_INEXACT) == (FE_UNDERFLOW | FE_INEXACT);
	feclearexcept(FE_ALL_EXCEPT);
	zero = huge * huge;
	flags[2] = fetestexcept(FE_OVERFLOW) != 0;
	zero -= zero;
	flags[3] = fetestexcept(FE_INVALID) != 0;
	for (int i = 0; i < 4; i++)
		printf("%a %a %d\n", quotient[i][0], quotient[i][1], flags[i]);
	return 0;
}
