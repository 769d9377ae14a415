/*
 * http_file.c
 *	  The files under web_root.  The path's escapes are resolved before it comes
 *	  here; what it points to is resolved too, and must lie under web_root.
 */
#include "http_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	char		name[PATH_MAX];
	struct stat st;
	size_t		len;

	if (web_root[0] == '\0' || realpath(web_root, root) == NULL || strstr(path, "/.") || strstr(path, "%2F") || strchr(path, '\\')
		|| snprintf(name, sizeof(name), "%s", path) >= (int) sizeof(name))
		return false;
	request_decode_rest(name);
	if (snprintf(wanted, sizeof(wanted), "%s/%s", root, name) >= (int) sizeof(wanted))
		return false;
	if (stat(wanted, &st) == 0 && S_ISDIR(st.st_mode))
	{
		if (snprintf(wanted, sizeof(wanted), "%s/%s/index.html", root, name) >= (int) sizeof(wanted))
			return false;
	}
	len = strlen(root);
	return realpath(wanted, file) != NULL && strncmp(file, root, len) == 0
		&& (file[len] == '/' || len == 1) && stat(file, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * Makes a file the answer; false when it cannot be read.
 */
bool
http_answer_file(HttpExchange *exchange, const char *file)
{
	struct stat st;

	exchange->file = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (exchange->file < 0)
		return false;
	if (fstat(exchange->file, &st) != 0 || !S_ISREG(st.st_mode))
	{
		close(exchange->file);
		exchange->file = -1;
		return false;
	}
	exchange->file_left = (size_t) st.st_size;
	exchange->status = 200;
	exchange->type = http_content_type(file);
	exchange->answered = true;
	return true;
}

/*
 * Sends the next piece of the file; after the last one the next request may
 * come.
 */
bool
http_send_file(Socket *socket)
{
	HttpExchange *exchange = socket->exchange;
	unsigned char *piece = socket->server->buffer;
	size_t		wanted = exchange->file_left < SEND_BYTES ? exchange->file_left : SEND_BYTES;
	ssize_t		n = read(exchange->file, piece, wanted);

	/* A file that has become shorter than was announced cannot be ended well. */
	if (n <= 0 || !socket_write(socket, piece, (size_t) n))
	{
		socket_kill(socket);
		return false;
	}
	exchange->file_left -= (size_t) n;
	return exchange->file_left > 0 || http_end(socket);
}
