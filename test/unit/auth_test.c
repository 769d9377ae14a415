/*
 * auth_test.c
 *	  Ready-made tokens, good and forged, at second 1000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth.h"
#include "config.h"

static const struct
{
	const char *name;
	const char *token;
	bool		good;
}			tokens[] = {
	{"good",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.b8_6cccDm9VGtnsXIfBzgDq3mAUqeMaKl6SL-_JtNYs", true},
	{"aud list",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6WyJ4IiwiY2hhdCJdfQ.__W4EPNzE5EYBA7Agt8CQY19WLu5r-HFzINcwAJJQnc", true},
	{"nbf now",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQiLCJuYmYiOjEwMDB9.3Td1qBB4e7hl-1MpIYhm5NPSM4IGGdOzfUUAv99LksY", true},
	{"alg none",
	"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.Zs2n4FsZGXmELSgS1JiYcjV2BWsEt8Pb5GxOVCYUHgE", false},
	{"RS256 header, HMAC signature",
	"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.Nq24LsJMDcHGu-8S1rE4hx1UJs9DM2HL1twOHElFZT8", false},
	{"crit",
	"eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.kK3kSOFD7cLSolfq9BBz4yP_aa-RoF-fM30FH4GT0oI", false},
	{"expired",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjk3MCwiaXNzIjoiYXBwIiwiYXVkIjoiY2hhdCJ9.VMeYP-Zt6YxhuQlC9-uTMHjk7LZ_K5gzuHP0pXQ48O0", false},
	{"within leeway",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjk3MSwiaXNzIjoiYXBwIiwiYXVkIjoiY2hhdCJ9.RBveEoN3j4ukDpVDUo31gwdoVFXQ4gImxd5ERaIJFL8", true},
	{"no exp",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJpc3MiOiJhcHAiLCJhdWQiOiJjaGF0In0.Ao9vNdb3SNPA-XJ5B7ZrBAmVTG2XT5RCezDLPN1_Ew0", false},
	{"exp text",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOiIyMDAwIiwiaXNzIjoiYXBwIiwiYXVkIjoiY2hhdCJ9.DyX0v6uEyv0hDEFptvBVyFQNx1F4vQjEFiz1xm6ebno", false},
	{"nbf later",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQiLCJuYmYiOjEwMzF9.qQmBIJxrDRHXfAJw3ZNALUV5XVBmMZrICYQ1mGQw6Ys", false},
	{"iss",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcSIsImF1ZCI6ImNoYXQifQ.LXH_tnc2TlBZV_V2xnXDFZD4LyNtARwBnYzUgX95xIg", false},
	{"no iss",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImF1ZCI6ImNoYXQifQ.ePJEPes4pOEd0GsRDtTXFAxmX2wFTyMzAafR-PRe9fQ", false},
	{"aud",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6Im90aGVyIn0.2WOiYrAEwQGWXVf25dWwsVX_iQa5hUQt3fm837_N8Ls", false},
	{"no aud",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCJ9.RI7dMcMQPd4dhbZNi3g-5u6NaO-Dx-bMCXqtMNfVIw8", false},
	{"no sub",
	"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.52yDJ-0nxzj5UZ9rRxtucs4yC0NDSsv3oVaLnaNbzQo", false},
	{"empty sub",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIiLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.yeXnUkSUVYk1t8uiSLMwxNmDTl2vINYR7-iHBrzoKc0", false},
	{"sub number",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjcsImV4cCI6MjAwMCwiaXNzIjoiYXBwIiwiYXVkIjoiY2hhdCJ9.v4YgnToKXGjgIt1TYgqYvYsBTSG388sCCqpPlvJpT-E", false},
	{"sub U+0000",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhXHUwMDAwYiIsImV4cCI6MjAwMCwiaXNzIjoiYXBwIiwiYXVkIjoiY2hhdCJ9.RIwt3euSd6EocvuVWEMUxct2y7Grzyq1uG9z15TH52Y", false},
	{"claims no object",
	"eyJhbGciOiJIUzI1NiJ9.WzFd.Rpo2xEeZb82BajcqCRZiv6-7XSeJtl-nG9oRPwQkdwo", false},
	{"sub of 255",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXUiLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.1cLKexBhoXAclUSH3S7L7c2tFj-JrilCJHucVQeeVlg", true},
	{"sub of 256",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1IiwiZXhwIjoyMDAwLCJpc3MiOiJhcHAiLCJhdWQiOiJjaGF0In0._NXMil6itVaJGLqd15jUjdJf-0axd1HPpRcMFAw8hyY", false},
	{"other secret",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.SaM7lEJCmD0bM0h0JWIl9Yh7lq0aSOzxElpfOxWFHjk", false},
	{"no signature",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.", false},
	{"none, no signature",
	"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImlzcyI6ImFwcCIsImF1ZCI6ImNoYXQifQ.", false},
	{"empty",
	"", false},
	{"dots",
	"..", false}
};

static Config *
settings(const char *secret)
{
	char	   *argv[] = {"relay", "--jwt-issuer", "app", "--jwt-audience=chat", NULL};
	char		variable[128] = "TASKCHAT_JWT_SECRET=";
	char	   *environment[] = {variable, NULL};
	ConfigRequest request;
	char	   *error;
	Config	   *config;

	strcat(variable, secret);
	config = config_load(4, argv, environment, &request, &error);
	assert_non_null(config);
	return config;
}

static void
tokens_are_judged(void **state)
{
	Config	   *config = settings("0123456789abcdef0123456789abcdef");
	char	   *error;
	Auth	   *auth = auth_new(config, &error);
	size_t		i;

	(void) state;
	assert_non_null(auth);
	for (i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
	{
		Claims		claims;
		const char *reason;

		if (auth_verify(auth, tokens[i].token, strlen(tokens[i].token), 1000, &claims, &reason) != tokens[i].good)
			fail_msg("%s", tokens[i].name);
	}
	auth_free(auth);
	config_free(config);
}

static void
short_secret_is_refused(void **state)
{
	Config	   *config = settings("short");
	char	   *error;

	(void) state;
	assert_null(auth_new(config, &error));
	assert_non_null(strstr(error, "32 bytes"));
	free(error);
	config_free(config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_judged),
		cmocka_unit_test(short_secret_is_refused)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
