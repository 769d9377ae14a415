/*
 * http_file.c
 *	  The files under web_root.  The library has decoded the path before it
 *	  comes here; what it points to is resolved and must lie under web_root.
 */
#include "http.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libwebsockets.h>

/* Content types by the end of a file's name. */
static const struct
{
	const char *suffix;
	const char *type;
}			content_types[] = {
	{".html", "text/html; charset=utf-8"},
	{".js", "text/javascript; charset=utf-8"},
	{".mjs", "text/javascript; charset=utf-8"},
	{".css", "text/css; charset=utf-8"},
	{".json", "application/json"},
	{".map", "application/json"},
	{".svg", "image/svg+xml"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".gif", "image/gif"},
	{".webp", "image/webp"},
	{".ico", "image/x-icon"},
	{".woff2", "font/woff2"},
	{".txt", "text/plain; charset=utf-8"},
};

static const char *
http_content_type(const char *path)
{
	size_t		len = strlen(path);

	for (size_t i = 0; i < sizeof(content_types) / sizeof(content_types[0]); i++)
	{
		size_t		n = strlen(content_types[i].suffix);

		if (len > n && strcmp(path + len - n, content_types[i].suffix) == 0)
			return content_types[i].type;
	}
	return "application/octet-stream";
}

/*
 * The file that a path means, below web_root; false when there is none.  file:
 * PATH_MAX bytes.
 */
bool
http_find_file(const char *web_root, const char *path, char *file)
{
	char		root[PATH_MAX];
	char		wanted[PATH_MAX];
	struct stat st;
	size_t		len;

	if (web_root[0] == '\0' || realpath(web_root, root) == NULL || strstr(path, "/.") || strchr(path, '\\'))
		return false;
	if (snprintf(wanted, sizeof(wanted), "%s/%s", root, path) >= (int) sizeof(wanted))
		return false;
	if (stat(wanted, &st) == 0 && S_ISDIR(st.st_mode))
	{
		if (snprintf(wanted, sizeof(wanted), "%s/%s/index.html", root, path) >= (int) sizeof(wanted))
			return false;
	}
	len = strlen(root);
	return realpath(wanted, file) != NULL && strncmp(file, root, len) == 0
		&& (file[len] == '/' || len == 1) && stat(file, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * Sends a file with the library's own sender.
 */
int
http_send_file(struct lws *wsi, const char *file)
{
	static const char headers[] = "x-content-type-options: nosniff\r\ncache-control: no-cache\r\n";
	int			n = lws_serve_http_file(wsi, file, http_content_type(file), headers, sizeof(headers) - 1);

	if (n < 0)
		return -1;
	if (n > 0)
		return http_complete(wsi);
	return 0;
}
