/*
 * config.h
 *	  The relay's settings: one option table for file, environment and flags.
 */
#ifndef TASKCHAT_CONFIG_H
#define TASKCHAT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Durations are milliseconds.  Strings are never NULL ("" when not set). */
typedef struct Config
{
	char	   *listen;			/* address:port, [v6]:port */
	char	   *database;
	char	   *web_root;
	char	   *allowed_origins;
	char	   *trusted_proxies;
	char	   *jwt_secret_file;
	char	   *jwt_secret;		/* environment only */
	char	   *jwt_public_key_file;
	char	   *jwks_file;
	char	   *jwt_algorithms;
	char	   *jwt_issuer;
	char	   *jwt_audience;
	char	   *jwt_user_claim;
	char	   *tls_certificate;
	char	   *tls_key;
	char	   *admin_listen;
	char	   *broker;
	int64_t		jwt_leeway;
	int64_t		ticket_session;
	int64_t		auth_timeout;
	int64_t		heartbeat;
	int64_t		typing_timeout;
	int64_t		presence_grace;
	int64_t		drain_timeout;
	int64_t		max_frame_bytes;
	int64_t		max_reply_bytes;
	int64_t		max_queue_bytes;
	int64_t		max_connections;
	int64_t		max_connections_per_user;
	int64_t		max_rooms_per_connection;
	int64_t		rate_messages;
	int64_t		rate_messages_burst;
	int64_t		rate_commands;
	int64_t		rate_commands_burst;
	int64_t		resume_limit;
	int			log_level;		/* LogLevel of log.h */
	int			log_format;		/* LogFormat of log.h */
} Config;

/* What the command line asks for besides settings. */
typedef struct ConfigRequest
{
	bool		check;			/* --check-config */
	bool		print;			/* --print-config */
	bool		version;
	bool		help;
} ConfigRequest;

/* NULL with *error (one line naming file, line and key; to be freed): exit status 2. */
extern Config *config_load(int argc, char *const *argv, char *const *environ_, ConfigRequest *request, char **error);
extern void config_free(Config *config);
extern void config_print(const Config *config);	/* to stdout; secrets are not shown */
extern void config_help(void);
/* Splits "address:port"; false when it is not one.  host: ≥ 256 bytes. */
extern bool config_split_address(const char *text, char *host, size_t host_size, int *port);

#endif
