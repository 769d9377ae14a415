/*
 * server.c
 *	  The library on the event loop: its context, its callbacks, its clock, and
 *	  what a reload changes.  Accepting sockets is server_listen.c's matter, their
 *	  bytes are server_socket.c's, WebSockets server_connection.c's, requests
 *	  http.c's.
 */
#include "server_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <utlist.h>

#include "log.h"

#define TICK 0.2				/* seconds between two looks at what time brings */
#define READ_BYTES 20480		/* at most so much in one read: a TLS record fits */
#define LIBRARY_TIMEOUT 30		/* seconds; our own are shorter */

/* ---- time ---- */

/* End of a turn: what sessions have queued goes out. */
static void
server_flush(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	(void) loop;
	(void) events;
	server_flush_waking(watcher->data);
	server_flush_patient(watcher->data);
}

/* What has gathered goes out at the end of this turn. */
static void
server_gathered(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void) loop;
	(void) watcher;
	(void) events;
}

static void
server_wakeup(struct ev_loop *loop, ev_check *watcher, int events)
{
	Server	   *server = watcher->data;

	(void) loop;
	(void) events;
	relay_set_time(server->relay);
}

static void
server_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
	Server	   *server = watcher->data;

	(void) loop;
	(void) events;
	relay_set_time(server->relay);
	relay_tick(server->relay);
	wheel_turn(&server->wheel, server->relay->now, connection_due, NULL);
	server_sweep_guests(server);
}

/* ---- the library's callbacks ---- */

/* What the library tells of a socket; it is all bytes to it. */
static int
server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	Socket	   *socket = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS)
		server_tls_prepare(lws_context_user(lws_get_context(wsi)), user);
	if (socket == NULL)
		return 0;
	switch (reason)
	{
		case LWS_CALLBACK_RAW_ADOPT:
			/* From here on the library lives with it: so it has as long as a log-in may take. */
			socket->wsi = wsi;
			socket_await(socket, socket->server->relay->config->auth_timeout);
			return 0;
		case LWS_CALLBACK_RAW_RX:
			return socket_receive(socket, in, len);
		case LWS_CALLBACK_RAW_WRITEABLE:
			return socket_writable(socket);
		case LWS_CALLBACK_RAW_CLOSE:
			socket_release(socket);
			return 0;
		case LWS_CALLBACK_WSI_DESTROY:
			socket_gone(socket);
			return 0;
		default:
			return 0;
	}
}

static const struct lws_protocols server_protocols[] = {
	{.name = "bytes", .callback = server_callback, .tx_packet_size = SEND_BYTES},
	{.name = NULL}
};

/* ---- begin and end ---- */

static void
server_log(int level, const char *line)
{
	size_t		len = strcspn(line, "\n");

	log_write(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "server", 0, "%.*s", (int) len, line);
}

/* What sockets are adopted into. */
static struct lws_vhost *
server_vhost(Server *server, const char *name, bool tls)
{
	static const lws_retry_bo_t no_validity_timers = {0};
	struct lws_context_creation_info info = {0};

	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	info.vhost_name = name;
	info.protocols = server_protocols;
	info.retry_and_idle_policy = &no_validity_timers;
	if (tls)
		info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	info.alpn = "http/1.1";
	info.keepalive_timeout = LIBRARY_TIMEOUT;
	info.timeout_secs_ah_idle = LIBRARY_TIMEOUT;
	return lws_create_vhost(server->context, &info);
}

/* Makes the library's context on the loop. */
static struct lws_context *
server_context(Server *server)
{
	struct lws_context_creation_info info = {0};
	void	   *loops[1] = {server->loop};

	lws_set_log_level(LLL_ERR, server_log);
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS
		| LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	info.foreign_loops = loops;
	info.user = server;
	info.pt_serv_buf_size = READ_BYTES;
	info.timeout_secs = LIBRARY_TIMEOUT;
	return lws_create_context(&info);
}

static void
server_start_watchers(Server *server)
{
	ev_prepare_init(&server->flush, server_flush);
	server->flush.data = server;
	ev_prepare_start(server->loop, &server->flush);
	ev_check_init(&server->wakeup, server_wakeup);
	ev_set_priority(&server->wakeup, EV_MAXPRI);
	server->wakeup.data = server;
	ev_check_start(server->loop, &server->wakeup);
	ev_timer_init(&server->tick, server_tick, TICK, TICK);
	server->tick.data = server;
	ev_timer_start(server->loop, &server->tick);
	ev_timer_init(&server->gather, server_gathered, 0., 0.);
}

static void
server_stop_watchers(Server *server)
{
	ev_timer_stop(server->loop, &server->gather);
	ev_timer_stop(server->loop, &server->tick);
	ev_check_stop(server->loop, &server->wakeup);
	ev_prepare_stop(server->loop, &server->flush);
}

/*
 * Looks at the files that the configuration names for the network side.  False
 * with *error, one line to be freed.
 */
bool
server_check(const Config *config, char **error)
{
	struct stat st;

	server_tls_free(server_tls_load(config, error));
	if (*error == NULL && config->web_root[0] && (stat(config->web_root, &st) != 0 || !S_ISDIR(st.st_mode)))
		*error = config_problem(config, "web_root", "not a directory");
	return *error == NULL;
}

/*
 * Opens the ports of relay's configuration on the loop.  NULL with *error (to
 * be freed) when that cannot be.
 */
Server *
server_new(struct ev_loop *loop, Relay *relay, char **error)
{
	Server	   *server = calloc(1, sizeof(*server));

	*error = NULL;
	if (server == NULL)
		return NULL;
	server->relay = relay;
	server->loop = loop;
	wheel_init(&server->wheel, relay->now);
	server_start_watchers(server);
	if (!server_set_limits(server))
		*error = strdup("the limit of open files is too low");
	else if ((server->context = server_context(server)) == NULL
			 || (server->plain = server_vhost(server, "taskchat plain", false)) == NULL)
		*error = strdup("cannot start the network library");
	else if (server_reload(server, relay->config, error)
			 && door_open(&server->door, server, relay->config->listen, false, error))
		return server;
	server_free(server);
	return NULL;
}

/* Opens and closes admin_listen's door, as far as that changes. */
static bool
server_reopen_admin(Server *server, const char *address, char **error)
{
	Door		door = {.fd = -1};
	char	   *copy;

	if (server->admin_listen && strcmp(server->admin_listen, address) == 0)
		return true;
	copy = strdup(address);
	if (copy == NULL || (address[0] && !door_open(&door, server, address, true, error)))
	{
		free(copy);
		return false;
	}
	free(server->admin_listen);
	server->admin_listen = copy;
	door_move(&door, &server->admin_door);
	return true;
}

/*
 * Takes over what of a new configuration is the network side's: certificate
 * and key, proxies, admin_listen.  Connections stay.  False with *error (to be
 * freed): then nothing has changed.
 */
bool
server_reload(Server *server, const Config *config, char **error)
{
	ServerTls  *tls = server_tls_load(config, error);
	NetworkList proxies;

	if (*error == NULL && network_list_parse(config->trusted_proxies, &proxies))
	{
		if (tls && server->secure == NULL)
			server->secure = server_vhost(server, "taskchat secure", true);
		if (tls && server->secure == NULL)
			*error = strdup("cannot start TLS");
		else if (server_reopen_admin(server, config->admin_listen, error))
		{
			server_tls_free(server->tls);
			server->tls = tls;
			network_list_reset(&server->proxies);
			server->proxies = proxies;
			return true;
		}
		network_list_reset(&proxies);
	}
	server_tls_free(tls);
	return false;
}

/*
 * The heartbeat may be another one.
 */
void
server_wind_all(Server *server)
{
	Connection *connection;

	DL_FOREACH(server->connections, connection)
		connection_wind(connection);
}

/*
 * New connections are turned away from now on: the port is free for the next
 * relay.  The health routes of admin_listen stay.
 */
void
server_refuse_new(Server *server)
{
	door_close(&server->door);
}

/*
 * Closes all sockets, and with them the sessions.
 */
void
server_free(Server *server)
{
	server_stop_watchers(server);
	door_close(&server->door);
	door_close(&server->admin_door);
	if (server->context)
		lws_context_destroy(server->context);
	server_tls_free(server->tls);
	network_list_reset(&server->proxies);
	free(server->admin_listen);
	free(server);
}
