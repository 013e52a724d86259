// SPDX-License-Identifier: Apache-2.0

// A plugin that does what its setting `script` says, and logs each call. scripted.lua is the same
// in Lua; README.md tells of the script. What it is (name, events, order, ...) is given with -D.

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stellar/event.h>
#include <stellar/expect.h>
#include <stellar/plugin.h>
#include <stellar/session.h>
#include <stellar/timer.h>
#include <stellar/verdict.h>

#define RULES_MAX 32
#define ACTIONS_MAX 8
#define WORD_SIZE 64
#define DERIVED_MAX 8
#define ALIVE 0x616c6976u

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

struct text {
	char bytes[STELLAR_LOG_TEXT_MAX];
	size_t length;
};

struct action {
	char name[WORD_SIZE];
	char argument[WORD_SIZE];
};

// What to do in which calls. event STELLAR_EVENT_COUNT: in context_init.
struct rule {
	uint32_t event;
	uint32_t ordinal; // call of this event in this session, from 1; 0: each
	uint8_t protocol; // 0: any
	int direction; // -1: any
	uint32_t action_count;
	struct action actions[ACTIONS_MAX];
};

// A derived event that it raises or hears.
struct derived {
	const char *name;
	int id;
};

struct script {
	uint32_t rule_count;
	struct rule rules[RULES_MAX];
	const char *ledger; // file that unload writes its figures to, or NULL
	_Atomic uint64_t contexts_made;
	_Atomic uint64_t contexts_freed;
	_Atomic uint64_t contexts_wrong; // freed that were not alive
	_Atomic uint64_t values_made;
	_Atomic uint64_t values_freed;
	struct derived derived[DERIVED_MAX];
};

struct context {
	uint32_t calls;
	uint32_t calls_of[STELLAR_EVENT_COUNT];
	uint32_t alive;
};

// A metadata value of its own, to be freed once.
struct value {
	struct script *script;
	char text[WORD_SIZE];
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
	va_list arguments;
	size_t room = sizeof(text->bytes) - text->length;

	va_start(arguments, format);
	int length = vsnprintf(text->bytes + text->length, room, format, arguments);

	va_end(arguments);
	text->length += (size_t)length < room ? (size_t)length : room - 1;
}

// What errno values mean, in the words of Lua's requests.
static const char *word_of(int code)
{
	switch (-code) {
	case EPERM:
		return "not_permitted";
	case ENOENT:
		return "not_found";
	case EACCES:
		return "denied";
	case EBUSY:
		return "busy";
	case EINVAL:
		return "invalid";
	case ENOSPC:
		return "no_room";
	default:
		return code >= 0 ? "ok" : "another_error";
	}
}

static const char *label_protocol(const struct session *session)
{
	switch (session_get_protocol(session)) {
	case PROTOCOL_TCP:
		return "tcp";
	case PROTOCOL_UDP:
		return "udp";
	case PROTOCOL_ICMP:
		return "icmp";
	default:
		return "other";
	}
}

static void say_label(struct text *text, const struct session *session)
{
	struct packet_endpoint originator;

	session_get_originator(session, &originator);
	say(text, "%s/%u", label_protocol(session), (unsigned)originator.port);
}

static void say_detail(struct text *text, const struct session *session, const struct event *event)
{
	switch (event->type) {
	case STELLAR_EVENT_SESSION_CLOSING:
		say(text, " %s", stellar_closing_reason_name(event->reason));
		break;
	case STELLAR_EVENT_TCP_DATA:
	case STELLAR_EVENT_TCP_OVERLAP:
	case STELLAR_EVENT_UDP_DATA:
	case STELLAR_EVENT_DERIVED:
		say(text, " \"%.*s\"", (int)event->data_length, (const char *)event->data);
		break;
	case STELLAR_EVENT_TCP_GAP:
		say(text, " %" PRIu32, event->data_length);
		break;
	case STELLAR_EVENT_METADATA_CHANGED:
		say(text, " %.*s", (int)event->data_length, (const char *)event->data);
		break;
	case STELLAR_EVENT_CHILD_OPENING:
		say(text, " ");
		say_label(text, event->child);
		break;
	case STELLAR_EVENT_TIMER:
		say(text, " %" PRIu64 "ms",
		    event->time_ns / 1000000 - session_get_start_ns(session) / 1000000);
		break;
	default:
		break;
	}
}

static const char *name_of_event(const struct session *session, const struct event *event)
{
	const struct script *script = pm_session_plugin_state(session);

	for (int i = 0; event->type == STELLAR_EVENT_DERIVED && i < DERIVED_MAX; i++)
		if (script->derived[i].name != NULL &&
		    script->derived[i].id == (int)event->derived_id)
			return script->derived[i].name;
	return stellar_event_name(event->type);
}

// raise=knocked/data
static int raise_event(struct session *session, const char *argument)
{
	const struct script *script = pm_session_plugin_state(session);
	size_t length = strcspn(argument, "/");
	const char *data = argument + length + (argument[length] == '/');

	for (int i = 0; i < DERIVED_MAX && script->derived[i].name != NULL; i++)
		if (strlen(script->derived[i].name) == length &&
		    memcmp(script->derived[i].name, argument, length) == 0)
			return session_raise_event(session, script->derived[i].id, data,
						   strlen(data));
	return -ENOENT;
}

static void free_value(void *memory, size_t size)
{
	struct value *value = memory;

	value->script->values_freed++;
	free(value);
}

static int set_value(struct session *session, const char *argument, bool is_own)
{
	char key[WORD_SIZE];
	const char *text = strchr(argument, '/');

	if (text == NULL)
		return -EINVAL;
	snprintf(key, sizeof(key), "%.*s", (int)(text - argument), argument);
	text++;
	if (!is_own)
		return session_copy_metadata(session, key, text, strlen(text));
	struct value *value = calloc(1, sizeof(*value));

	value->script = pm_session_plugin_state(session);
	snprintf(value->text, sizeof(value->text), "%s", text);
	int result = session_set_metadata(session, key, value, strlen(text), free_value);

	if (result == 0)
		value->script->values_made++;
	else
		free(value);
	return result;
}

static void say_value(struct text *text, const struct session *session, const char *key,
		      bool is_own)
{
	void *value;
	size_t size;

	if (session_get_metadata(session, key, &value, &size) != 0)
		say(text, "none");
	else
		say(text, "%.*s", (int)size,
		    is_own ? ((struct value *)value)->text : (char *)value);
}

static void say_children(struct text *text, const struct session *session)
{
	struct session *child = session_get_next_child(session, NULL);
	const char *comma = "";

	if (child == NULL)
		say(text, "none");
	for (; child != NULL; child = session_get_next_child(session, child), comma = ",") {
		say(text, "%s", comma);
		say_label(text, child);
	}
}

// expect=udp/9000/500: from anyone to the responder's address.
static int announce(struct session *session, const char *argument)
{
	struct packet_endpoint responder;
	unsigned port = 0;
	unsigned timeout_ms = 0;

	session_get_responder(session, &responder);
	sscanf(strchr(argument, '/'), "/%u/%u", &port, &timeout_ms);
	responder.port = (uint16_t)port;
	return expect_session(session, argument[0] == 'u' ? PROTOCOL_UDP : PROTOCOL_TCP, NULL,
			      &responder, timeout_ms);
}

static int hold(struct session *session, const char *argument)
{
	struct verdict_request request = {.disposition = STELLAR_HOLD};
	const char *outcome = strchr(argument, '/');

	request.hold_ms = (uint32_t)strtoul(argument, NULL, 10);
	request.hold_outcome =
		outcome != NULL && strcmp(outcome, "/pass") == 0 ? STELLAR_PASS : STELLAR_DROP;
	return session_set_verdict(session, &request);
}

static int pass(struct session *session)
{
	const struct verdict_request request = {.disposition = STELLAR_PASS};

	return session_set_verdict(session, &request);
}

static int release(struct session *session, const char *argument)
{
	return session_release(session,
			       strcmp(argument, "pass") == 0 ? STELLAR_PASS : STELLAR_DROP);
}

static int reject(struct session *session, const char *argument)
{
	if (argument[0] == '\0')
		return session_reject(session, STELLAR_REPLY_NONE);
	return session_reject(session, strcmp(argument, "rst") == 0 ? STELLAR_REPLY_RST
								    : STELLAR_REPLY_ICMP);
}

// Requests whose answer is a code.
static int ask(struct session *session, const struct action *action)
{
	uint16_t own = pm_session_plugin_id(session);
	const char *name = action->name;
	const char *argument = action->argument;

	if (strcmp(name, "detach") == 0)
		return pm_session_detach_me(session);
	if (strcmp(name, "take_over") == 0)
		return pm_session_take_over(session);
	if (strcmp(name, "give_back") == 0)
		return pm_session_give_back(session);
	if (strcmp(name, "lock") == 0)
		return session_lock(session, own);
	if (strcmp(name, "unlock") == 0)
		return session_unlock(session, own);
	if (strcmp(name, "bypass") == 0)
		return session_bypass(session);
	if (strcmp(name, "pass") == 0)
		return pass(session);
	if (strcmp(name, "hold") == 0)
		return hold(session, argument);
	if (strcmp(name, "drop") == 0)
		return session_drop_current_packet(session);
	if (strcmp(name, "reject") == 0)
		return reject(session, argument);
	if (strcmp(name, "set") == 0 || strcmp(name, "own") == 0)
		return set_value(session, argument, name[0] == 'o');
	if (strcmp(name, "del") == 0)
		return session_del_metadata(session, argument);
	if (strcmp(name, "expect") == 0)
		return announce(session, argument);
	if (strcmp(name, "raise") == 0)
		return raise_event(session, argument);
	if (strcmp(name, "timer") == 0)
		return timer_start(session, (uint32_t)strtoul(argument, NULL, 10));
	if (strcmp(name, "stop") == 0)
		return timer_stop(session);
	return -ENOTSUP;
}

// parent.ACTION and child.ACTION go to another session of the family.
static struct session *find_target(struct session *session, struct action *action)
{
	char *dot = strchr(action->name, '.');
	const char *whose = action->name;

	if (dot == NULL)
		return session;
	*dot = '\0';
	struct session *target = strcmp(whose, "parent") == 0 ? session_get_parent(session)
							      : session_get_event(session)->child;

	memmove(action->name, dot + 1, strlen(dot + 1) + 1);
	return target;
}

static void act(struct session *session, const struct action *action, struct text *text)
{
	struct action copy = *action;

	say(text, " %s%s%s=", action->name, action->argument[0] != '\0' ? ":" : "",
	    action->argument);
	struct session *target = find_target(session, &copy);

	if (target == NULL)
		say(text, "nobody");
	else if (strcmp(copy.name, "get") == 0 || strcmp(copy.name, "get_own") == 0)
		say_value(text, target, copy.argument, copy.name[3] != '\0');
	else if (strcmp(copy.name, "children") == 0)
		say_children(text, target);
	else if (strcmp(copy.name, "label") == 0)
		say_label(text, target);
	else if (strcmp(copy.name, "release") == 0 && release(target, copy.argument) >= 0)
		say(text, "ok");
	else if (strcmp(copy.name, "fail") == 0)
		say(text, "asked");
	else
		say(text, "%s", word_of(ask(target, &copy)));
}

static bool is_meant(const struct rule *rule, const struct session *session,
		     const struct event *event, uint32_t ordinal)
{
	return rule->event == event->type && (rule->ordinal == 0 || rule->ordinal == ordinal) &&
	       (rule->protocol == 0 || rule->protocol == session_get_protocol(session)) &&
	       (rule->direction < 0 || rule->direction == event->direction);
}

static void entry(struct session *session, void *memory)
{
	const struct script *script = pm_session_plugin_state(session);
	const struct event *event = session_get_event(session);
	struct context *context = memory;
	struct text text = {.length = 0};
	bool is_failing = false;

	context->calls++;
	context->calls_of[event->type]++;
	say_label(&text, session);
	say(&text, " %s %s %" PRIu32, name_of_event(session, event),
	    event->direction == STELLAR_FORWARD ? "forward" : "reverse", context->calls);
	say_detail(&text, session, event);
	for (uint32_t i = 0; i < script->rule_count; i++) {
		const struct rule *rule = &script->rules[i];

		if (!is_meant(rule, session, event, context->calls_of[event->type]))
			continue;
		for (uint32_t n = 0; n < rule->action_count; n++) {
			is_failing |= strcmp(rule->actions[n].name, "fail") == 0;
			act(session, &rule->actions[n], &text);
		}
	}
	session_log(session, STELLAR_LOG_INFO, text.bytes, text.length);
	if (is_failing)
		pm_session_fail(session);
}

static int context_init(struct session *session, void *memory)
{
	struct script *script = pm_session_plugin_state(session);
	struct context *context = memory;

	for (uint32_t i = 0; i < script->rule_count; i++)
		if (script->rules[i].event == STELLAR_EVENT_COUNT)
			return -EPERM;
	// It is given zeroed.
	if (context->calls != 0 || context->alive != 0)
		script->contexts_wrong++;
	context->alive = ALIVE;
	script->contexts_made++;
	return 0;
}

static void context_free(struct session *session, void *memory)
{
	struct script *script = pm_session_plugin_state(session);
	struct context *context = memory;

	if (context->alive != ALIVE)
		script->contexts_wrong++;
	context->alive = 0;
	script->contexts_freed++;
}

static int read_selector(struct rule *rule, char *word)
{
	char *ordinal = strchr(word, '@');

	if (strcmp(word, "forward") == 0 || strcmp(word, "reverse") == 0) {
		rule->direction = word[0] == 'r';
		return 0;
	}
	if (strcmp(word, "tcp") == 0 || strcmp(word, "udp") == 0 || strcmp(word, "icmp") == 0) {
		rule->protocol = word[0] == 't'	  ? PROTOCOL_TCP
				 : word[0] == 'u' ? PROTOCOL_UDP
						  : PROTOCOL_ICMP;
		return 0;
	}
	if (ordinal != NULL) {
		*ordinal = '\0';
		rule->ordinal = (uint32_t)strtoul(ordinal + 1, NULL, 10);
	}
	for (rule->event = 0; rule->event < STELLAR_EVENT_COUNT; rule->event++)
		if (strcmp(word, stellar_event_name(rule->event)) == 0)
			return 0;
	return strcmp(word, "init") == 0 ? 0 : -EINVAL;
}

static int read_rule(struct rule *rule, char *line)
{
	char *actions = strchr(line, ':');
	char *rest = NULL;

	*rule = (struct rule){.direction = -1};
	if (actions == NULL)
		return -EINVAL;
	*actions++ = '\0';
	for (char *word = strtok_r(line, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest))
		if (read_selector(rule, word) != 0)
			return -EINVAL;
	for (char *word = strtok_r(actions, " ,", &rest); word != NULL;
	     word = strtok_r(NULL, " ,", &rest)) {
		char *equals = strchr(word, '=');

		if (rule->action_count == ACTIONS_MAX)
			return -ENOSPC;
		if (equals != NULL)
			*equals++ = '\0';
		struct action *action = &rule->actions[rule->action_count++];

		snprintf(action->name, sizeof(action->name), "%s", word);
		snprintf(action->argument, sizeof(action->argument), "%s",
			 equals != NULL ? equals : "");
	}
	return 0;
}

static const char *const settings[] = {"script", "ledger", NULL};
static const char *const before[] = {BEFORE NULL};
static const char *const after[] = {AFTER NULL};
static const char *const raises[] = {RAISES NULL};
static const char *const hears[] = {HEARS NULL};

static void read_derived(struct plugin_host *host, struct script *script, const char *const *names)
{
	int count = 0;

	while (script->derived[count].name != NULL)
		count++;
	for (; *names != NULL; names++, count++)
		script->derived[count] = (struct derived){
			.name = *names,
			.id = plugin_get_derived_id(host, *names),
		};
}

static int load(struct plugin_host *host, void **ret_state)
{
	struct script *script = calloc(1, sizeof(*script));
	const char *setting = plugin_get_setting(host, "script");
	char *text = strdup(setting != NULL ? setting : "");
	char *rest = NULL;
	int result = 0;

	read_derived(host, script, raises);
	read_derived(host, script, hears);
	script->ledger = plugin_get_setting(host, "ledger");
	for (char *line = strtok_r(text, ";", &rest); line != NULL && result == 0;
	     line = strtok_r(NULL, ";", &rest)) {
		if (line[strspn(line, " \n")] == '\0')
			continue;
		result = script->rule_count == RULES_MAX
				 ? -ENOSPC
				 : read_rule(&script->rules[script->rule_count++], line);
	}
	free(text);
	if (result != 0)
		free(script);
	else
		*ret_state = script;
	return result;
}

static void unload(struct plugin_host *host, void *state)
{
	struct script *script = state;
	FILE *file = script->ledger != NULL ? fopen(script->ledger, "w") : NULL;

	if (file != NULL) {
		fprintf(file,
			"contexts_made %" PRIu64 "\ncontexts_freed %" PRIu64
			"\ncontexts_wrong %" PRIu64 "\nvalues_made %" PRIu64
			"\nvalues_freed %" PRIu64 "\n",
			script->contexts_made, script->contexts_freed, script->contexts_wrong,
			script->values_made, script->values_freed);
		fclose(file);
	}
	free(script);
}

STELLAR_PUBLIC const struct plugin stellar_plugin = {
	STELLAR_PLUGIN_HEADER,
	.name = NAME,
	.version = "1",
	.events = EVENTS,
	.before = before,
	.after = after,
	.context_size = sizeof(struct context),
	.fail_action = FAIL_ACTION,
	.load = load,
	.unload = unload,
	.context_init = context_init,
	.context_free = context_free,
	.entry = entry,
	.settings = settings,
	.raises = raises,
	.hears = hears,
};
