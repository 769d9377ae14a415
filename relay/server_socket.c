/*
 * server_socket.c
 *	  The bytes of one accepted socket: requests one after the other, then
 *	  perhaps a WebSocket, and an end that loses nothing of what was said last.
 *
 * The library gives us bytes as they come (through TLS where there is TLS) and
 * takes bytes to be sent; what they mean is read by request.c and websocket.c.
 */
#include "server_internal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <utlist.h>

#include "http.h"

#define INPUT_BYTES (64 * 1024 * 1024)	/* of requests that are not whole, all sockets together */
#define LINGER_TIME 5000		/* ms that a client has to end too */
#define LINGER_BYTES (64 * 1024 * 1024)	/* that are thrown away meanwhile: a client may read only when all is sent */

/*
 * Sends bytes, or has the library keep what the kernel does not take.  False:
 * the socket is dead.
 */
bool
socket_write(Socket *socket, const void *bytes, size_t len)
{
	return lws_write(socket->wsi, (unsigned char *) bytes, len, LWS_WRITE_RAW) >= (int) len;
}

/*
 * Whether the library still holds bytes that the kernel did not take.  Its
 * writable callback comes when they are out.
 */
bool
socket_is_blocked(const Socket *socket)
{
	return lws_partial_buffered(socket->wsi) != 0;
}

/*
 * Closes the socket at once, but not within this callback.  The library looks
 * at its clock when one of its sockets has something to say: this one has, once
 * it is shut down.
 */
void
socket_kill(Socket *socket)
{
	lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	(void) shutdown(lws_get_socket_fd(socket->wsi), SHUT_RDWR);
}

/*
 * Leaves what the client says in the kernel for now, or reads on.
 */
void
socket_hold(Socket *socket, bool hold)
{
	lws_rx_flow_control(socket->wsi, hold ? 0 : 1);
}

/*
 * Whether a client of whom nothing is read has closed its half.
 */
bool
socket_client_is_gone(const Socket *socket)
{
	struct pollfd fd = {.fd = lws_get_socket_fd(socket->wsi), .events = POLLRDHUP};

	return poll(&fd, 1, 0) > 0;
}

/* ---- the end ---- */

/* Closes our half once all is out: the client reads to the end, and closes too. */
static void
socket_shut(Socket *socket)
{
	SSL		   *ssl;

	if (socket->shut)
		return;
	if (socket_is_blocked(socket))
	{
		lws_callback_on_writable(socket->wsi);
		return;
	}
	ssl = lws_get_ssl(socket->wsi);
	if (ssl)
	{
		(void) SSL_shutdown(ssl);
		ERR_clear_error();		/* nobody else is to find what went wrong here */
	}
	(void) shutdown(lws_get_socket_fd(socket->wsi), SHUT_WR);
	socket->shut = true;
	socket_await(socket, LINGER_TIME);
}

/*
 * All is said: the socket is closed as soon as the client has read it.  Closed
 * at once, with bytes of the client still unread, the kernel would send a
 * reset, and the client might lose our last words to it.
 */
void
socket_linger(Socket *socket)
{
	socket->stage = STAGE_LINGER;
	socket_use(socket, socket->input_len);
	if (!socket->guest)
		DL_APPEND(socket->server->guests, socket);
	socket->guest = true;
	socket_hold(socket, false);
	socket_shut(socket);
}

/* ---- input ---- */

/*
 * Forgets the first n bytes of the input.
 */
void
socket_use(Socket *socket, size_t n)
{
	socket->input_len -= n;
	socket->server->input_bytes -= n;
	if (socket->input_len > 0)
	{
		memmove(socket->input, socket->input + n, socket->input_len);
		return;
	}
	if (socket->input)
		explicit_bzero(socket->input, socket->input_size);
	free(socket->input);
	socket->input = NULL;
	socket->input_size = 0;
}

/* Keeps bytes until they can be used; false when there is no memory for them. */
static bool
socket_keep(Socket *socket, const void *in, size_t len)
{
	size_t		size = socket->input_len + len;
	char	   *input = socket->input;

	if (socket->server->input_bytes + len > INPUT_BYTES)
		return false;
	if (size > socket->input_size)
	{
		input = malloc(size);
		if (input == NULL)
			return false;
		if (socket->input)
		{
			memcpy(input, socket->input, socket->input_len);
			explicit_bzero(socket->input, socket->input_size);
			free(socket->input);
		}
		socket->input = input;
		socket->input_size = size;
	}
	memcpy(input + socket->input_len, in, len);
	socket->input_len = size;
	socket->server->input_bytes += len;
	return true;
}

/* Does one step of what the socket is at; false when it must wait. */
static bool
socket_step(Socket *socket)
{
	switch (socket->stage)
	{
		case STAGE_HEAD:
			return http_read_head(socket);
		case STAGE_BODY:
			return http_read_body(socket);
		case STAGE_ANSWER:
			return http_finish(socket);
		case STAGE_FILE:
			return http_send_file(socket);
		default:
			return false;
	}
}

/*
 * Goes on as far as it can be gone now.  False: drop the socket.
 */
bool
socket_go_on(Socket *socket)
{
	bool		more = true;

	socket->working = true;
	while (more && socket->stage < STAGE_WEBSOCKET)
	{
		if (socket_is_blocked(socket))
		{
			lws_callback_on_writable(socket->wsi);
			break;
		}
		more = socket_step(socket);
	}
	socket->working = false;
	if (socket->stage == STAGE_WEBSOCKET && socket->input_len > 0)
	{
		/* Frames that came right behind the handshake. */
		int			result = connection_receive(socket->connection, socket->input, socket->input_len);

		socket_use(socket, socket->input_len);
		return result == 0;
	}
	return true;
}

/*
 * Bytes have come.  Returns as the library's callbacks do.
 */
int
socket_receive(Socket *socket, const void *in, size_t len)
{
	if (!socket->heard)
		lws_set_timeout(socket->wsi, NO_PENDING_TIMEOUT, 0);	/* our own deadlines count */
	socket->heard = true;
	if (socket->stage == STAGE_WEBSOCKET)
		return connection_receive(socket->connection, in, len);
	if (socket->stage == STAGE_LINGER)
	{
		socket->lingered += len;
		return socket->lingered > LINGER_BYTES ? -1 : 0;
	}
	return socket_keep(socket, in, len) && socket_go_on(socket) ? 0 : -1;
}

/*
 * The kernel takes more.  Returns as the library's callbacks do.
 */
int
socket_writable(Socket *socket)
{
	if (socket->stage == STAGE_WEBSOCKET)
		return connection_writable(socket->connection);
	if (socket->stage == STAGE_LINGER)
	{
		socket_shut(socket);
		return 0;
	}
	return socket_go_on(socket) ? 0 : -1;
}

/*
 * The library has closed the socket: what stood on it ends.
 */
void
socket_release(Socket *socket)
{
	http_gone(socket);
	if (socket->connection)
		connection_gone(socket->connection);
	socket_use(socket, socket->input_len);
}
