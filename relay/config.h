/*
 * config.h
 *	  The relay's settings: from file, environment and flags.
 */
#ifndef TASKCHAT_CONFIG_H
#define TASKCHAT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Durations are milliseconds.  Strings are never NULL ("" when not set). */
typedef struct Config
{
	char	   *listen;			/* address:port, [v6]:port, *:port */
	char	   *database;		/* for libpq */
	char	   *web_root;		/* directory */
	char	   *allowed_origins;	/* comma list, checked */
	char	   *trusted_proxies;	/* comma list, checked */
	char	   *jwt_secret_file;	/* path */
	char	   *jwt_secret;		/* environment only */
	char	   *jwt_public_key_file;	/* path */
	char	   *jwks_file;		/* path */
	char	   *jwt_algorithms; /* comma list, checked */
	char	   *jwt_issuer;		/* "": any */
	char	   *jwt_audience;	/* "": any */
	char	   *jwt_user_claim; /* never empty */
	char	   *tls_certificate;	/* path */
	char	   *tls_key;		/* path */
	char	   *admin_listen;	/* as listen; "": none */
	char	   *broker;			/* always "" */
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
	char	  **origins;		/* where each option was set; config.c's */
} Config;

/* What the command line asks for besides settings. */
typedef struct ConfigRequest
{
	bool		check;			/* --check-config */
	bool		print;			/* --print-config */
	bool		version;
	bool		help;
} ConfigRequest;

extern Config *config_load(int argc, char *const *argv, char *const *environment, ConfigRequest *request, char **error);
extern void config_free(Config *config);
extern char *config_problem(const Config *config, const char *key, const char *why);
extern void config_print(const Config *config);
extern void config_help(void);
extern bool config_split_address(const char *text, char *host, size_t host_size, int *port);

#endif
