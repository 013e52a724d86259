// SPDX-License-Identifier: Apache-2.0

// Formats event records as EVE JSON lines; see eve.h. Writer's thread. Field names follow
// Suricata's user guide, output/eve/eve-json-format.

#include "engine/eve.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "engine/worker.h"
#include "packet/tunnel.h"

enum {
	PROTOCOL_L2TP = 115, // libc has no name for it
};

struct text {
	char *at;
	char *end;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int count = vsnprintf(text->at, (size_t)(text->end - text->at), format, arguments);

	va_end(arguments);
	if (count > 0)
		text->at += count < text->end - text->at ? count : text->end - text->at;
}

// A JSON string, quotes included. Bytes outside of printable ASCII become \u00xx.
static void put_string(struct text *text, const char *string)
{
	put(text, "\"");
	for (const unsigned char *c = (const unsigned char *)string; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			put(text, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f)
			put(text, "\\u%04x", *c);
		else
			put(text, "%c", *c);
	}
	put(text, "\"");
}

// Bytes of the UTF-8 sequence at the beginning (Unicode 15, table 3-7), or 0: it is none.
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
	unsigned char first = bytes[0];
	size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (bytes[i] < (i == 1 ? low : 0x80) || bytes[i] > (i == 1 ? high : 0xbf))
			return 0;
	}
	return length;
}

// UTF-8 as it is; control characters, and bytes that are not UTF-8, become \u00xx.
static void put_text(struct text *text, const char *string, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)string;

	put(text, "\"");
	for (size_t at = 0; at < length;) {
		size_t count = utf8_length(bytes + at, length - at);

		if (bytes[at] == '"' || bytes[at] == '\\')
			put(text, "\\%c", bytes[at]);
		else if (count == 0 || bytes[at] < 0x20 || bytes[at] == 0x7f)
			put(text, "\\u%04x", bytes[at]);
		else
			put(text, "%.*s", (int)count, string + at);
		at += count > 0 ? count : 1;
	}
	put(text, "\"");
}

// RFC 3339 with microseconds, UTC: Suricata's form.
static void put_time(struct text *text, const char *key, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	put(text, "\"%s\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06u+0000\"", key, parts.tm_year + 1900,
	    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
	    (unsigned)(time_ns % 1000000000u / 1000u));
}

static void put_address(struct text *text, const char *key, const struct ip_address *address)
{
	char name[INET6_ADDRSTRLEN];
	struct in6_addr v6;

	if (address->version == 4) {
		put(text, ",\"%s\":\"%u.%u.%u.%u\"", key, address->bytes[0], address->bytes[1],
		    address->bytes[2], address->bytes[3]);
		return;
	}
	if (address->version != 6)
		return;
	for (size_t i = 0; i < sizeof(v6.s6_addr); i++)
		v6.s6_addr[i] = address->bytes[i];
	put(text, ",\"%s\":\"%s\"", key, inet_ntop(AF_INET6, &v6, name, sizeof(name)));
}

static void put_protocol(struct text *text, uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		put(text, ",\"proto\":\"TCP\"");
		break;
	case IPPROTO_UDP:
		put(text, ",\"proto\":\"UDP\"");
		break;
	case IPPROTO_ICMP:
		put(text, ",\"proto\":\"ICMP\"");
		break;
	case IPPROTO_ICMPV6:
		put(text, ",\"proto\":\"IPv6-ICMP\"");
		break;
	case IPPROTO_IPIP:
		put(text, ",\"proto\":\"IPv4\"");
		break;
	case IPPROTO_IPV6:
		put(text, ",\"proto\":\"IPv6\"");
		break;
	case IPPROTO_GRE:
		put(text, ",\"proto\":\"GRE\"");
		break;
	case PROTOCOL_L2TP:
		put(text, ",\"proto\":\"L2TP\"");
		break;
	default:
		put(text, ",\"proto\":\"%u\"", protocol);
	}
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static void put_endpoints(struct text *text, const struct packet_endpoint *source,
			  const struct packet_endpoint *destination, uint8_t protocol)
{
	put_address(text, "src_ip", &source->address);
	if (has_ports(protocol))
		put(text, ",\"src_port\":%u", source->port);
	put_address(text, "dest_ip", &destination->address);
	if (has_ports(protocol))
		put(text, ",\"dest_port\":%u", destination->port);
	put_protocol(text, protocol);
	put(text, ",\"ip_v\":%u", source->address.version);
}

static void put_head(struct text *text, const struct engine *engine, uint64_t time_ns,
		     uint64_t session_id, uint16_t ingress_id, const char *type)
{
	put(text, "{");
	put_time(text, "timestamp", time_ns);
	if (session_id != 0)
		put(text, ",\"flow_id\":%" PRIu64, session_id);
	if (ingress_id < engine->interface_count) {
		put(text, ",\"in_iface\":");
		put_string(text, engine->interfaces[ingress_id].name);
	}
	put(text, ",\"event_type\":\"%s\"", type);
}

// A tag without a VLAN (id 0, priority only) at the end is not listed.
static void put_vlans(struct text *text, const uint16_t *vlans, uint32_t count)
{
	while (count > 0 && vlans[count - 1] == 0)
		count--;
	for (uint32_t i = 0; i < count; i++)
		put(text, "%s%u", i == 0 ? ",\"vlan\":[" : ",", vlans[i]);
	if (count > 0)
		put(text, "]");
}

// A session remembers its tag; that of a virtual network does not hold the VLANs.
static void put_session_vlans(struct text *text, uint32_t tag)
{
	uint16_t vlans[TAG_VLANS_MAX];

	put_vlans(text, vlans, tag_get_vlans(tag, vlans));
}

// What the packet came in, Suricata's names: the outermost addresses, and how deep it was.
static void put_tunnel(struct text *text, const struct output_packet *packet)
{
	const struct packet_tunnel *tunnel = &packet->tunnel;

	if (packet->tunnel_count == 0)
		return;
	put(text, ",\"tunnel\":{\"kind\":\"%s\",\"id\":%u", stellar_tunnel_name(tunnel->kind),
	    tunnel->identifier);
	put_address(text, "src_ip", &tunnel->source.address);
	put(text, ",\"src_port\":%u", tunnel->source.port);
	put_address(text, "dest_ip", &tunnel->destination.address);
	put(text, ",\"dest_port\":%u", tunnel->destination.port);
	put_protocol(text, tunnel->protocol);
	put(text, ",\"depth\":%u}", packet->tunnel_count);
}

static void put_packet_head(struct text *text, const struct engine *engine, uint64_t time_ns,
			    const struct output_packet *packet, const char *type)
{
	put_head(text, engine, time_ns, packet->session_id, packet->ingress_id, type);
	put_vlans(text, packet->vlans, packet->vlan_count);
}

static void put_rule(struct text *text, uint32_t generation, uint32_t rule_id, const char *name)
{
	put(text, "\"generation\":%u,\"rule_id\":%u", generation, rule_id);
	if (name[0] != '\0') {
		put(text, ",\"rule\":");
		put_string(text, name);
	}
}

// Suricata's flow states: new, established, closed.
static const char *eve_state(const struct output_record *record)
{
	if (record->closing_reason == STELLAR_CLOSED_FIN ||
	    record->closing_reason == STELLAR_CLOSED_RST)
		return "closed";
	return record->session.state == STELLAR_SESSION_OPENING ? "new" : "established";
}

static void put_session_head(struct text *text, const struct engine *engine, uint64_t time_ns,
			     const struct session_record *session, const char *type)
{
	put_head(text, engine, time_ns, session->id, session->ingress_id, type);
	put_session_vlans(text, session->tag);
	if (session->parent_id != 0)
		put(text, ",\"parent_id\":%" PRIu64, session->parent_id);
	put_endpoints(text, &session->originator, &session->responder, session->protocol);
	if (session->protocol == IPPROTO_ICMP || session->protocol == IPPROTO_ICMPV6)
		put(text, ",\"icmp_type\":%u,\"icmp_code\":%u", session->responder.port >> 8,
		    session->responder.port & 0xff);
}

static void put_session(struct text *text, const struct engine *engine,
			const struct output_record *record)
{
	const struct session_record *session = &record->session;
	uint32_t network_id;

	put_session_head(text, engine, record->time_ns, session, "flow");
	put(text,
	    ",\"flow\":{\"pkts_toserver\":%" PRIu64 ",\"pkts_toclient\":%" PRIu64
	    ",\"bytes_toserver\":%" PRIu64 ",\"bytes_toclient\":%" PRIu64 ",",
	    session->packets[STELLAR_FORWARD], session->packets[STELLAR_REVERSE],
	    session->bytes[STELLAR_FORWARD], session->bytes[STELLAR_REVERSE]);
	put_time(text, "start", session->start_ns);
	put(text, ",");
	put_time(text, "end", session->last_ns);
	put(text, ",\"age\":%" PRIu64 ",\"state\":\"%s\",\"reason\":\"%s\",\"alerted\":false",
	    session->last_ns / 1000000000u - session->start_ns / 1000000000u, eve_state(record),
	    stellar_closing_reason_name(record->closing_reason));
	if (session->blocked)
		put(text, ",\"action\":\"drop\"");
	put(text, "}");
	if (session->protocol == IPPROTO_TCP)
		put(text, ",\"tcp\":{\"state\":\"%s\"}",
		    stellar_tcp_state_name(session->tcp_state));
	put(text, ",\"stellar\":{");
	put_rule(text, session->generation, session->rule_id, record->rule_name);
	if (tag_get_network_id(session->tag, &network_id))
		put(text, ",\"network_id\":%u", network_id);
	put(text, "}}\n");
}

static const char *plugin_name(const struct engine *engine, uint16_t plugin_id)
{
	return plugin_id < engine->plugin_count ? engine->accounts[plugin_id]->name : "engine";
}

static void put_drop(struct text *text, const struct engine *engine,
		     const struct output_record *record)
{
	const struct output_packet *packet = &record->drop.packet;
	const struct verdict *verdict = &record->drop.verdict;

	put_packet_head(text, engine, record->time_ns, packet, "drop");
	put_endpoints(text, &packet->source, &packet->destination, packet->protocol);
	put_tunnel(text, packet);
	put(text, ",\"drop\":{\"len\":%u,\"ttl\":%u", packet->length, packet->ttl);
	if (packet->protocol == IPPROTO_TCP && packet->has_transport)
		put(text,
		    ",\"tcpseq\":%u,\"tcpack\":%u,\"tcpwin\":%u,\"syn\":%s,\"ack\":%s,\"psh\":%s,"
		    "\"rst\":%s,\"urg\":%s,\"fin\":%s",
		    packet->tcp_sequence, packet->tcp_acknowledgment, packet->tcp_window,
		    packet->tcp_flags & STELLAR_TCP_SYN ? "true" : "false",
		    packet->tcp_flags & STELLAR_TCP_ACK ? "true" : "false",
		    packet->tcp_flags & STELLAR_TCP_PSH ? "true" : "false",
		    packet->tcp_flags & STELLAR_TCP_RST ? "true" : "false",
		    packet->tcp_flags & STELLAR_TCP_URG ? "true" : "false",
		    packet->tcp_flags & STELLAR_TCP_FIN ? "true" : "false");
	put(text, ",\"reason\":\"%s\"},\"stellar\":{\"plugin\":",
	    stellar_drop_reason_name(verdict->drop_reason));
	put_string(text, plugin_name(engine, verdict->disposition_plugin_id));
	put(text, ",");
	put_rule(text, verdict->generation, verdict->rule_id, record->rule_name);
	if (packet->session_id != 0)
		put(text, ",\"session_state\":\"%s\",\"tcp_state\":\"%s\"",
		    stellar_session_state_name(verdict->session_state),
		    stellar_tcp_state_name(verdict->tcp_state));
	put(text, ",\"reply\":\"%s\",\"queue\":%u}}\n",
	    verdict->reply == STELLAR_REPLY_RST	   ? "rst"
	    : verdict->reply == STELLAR_REPLY_ICMP ? "icmp"
						   : "none",
	    verdict->queue_id);
}

static void put_anomaly(struct text *text, const struct engine *engine,
			const struct output_record *record, const char *type, const char *layer,
			const char *event)
{
	const struct output_packet *packet = &record->anomaly.packet;

	put_packet_head(text, engine, record->time_ns, packet, "anomaly");
	if (packet->ip_version != 0)
		put_endpoints(text, &packet->source, &packet->destination, packet->protocol);
	put_tunnel(text, packet);
	put(text, ",\"anomaly\":{\"type\":\"%s\",\"event\":\"%s.%s\"}}\n", type, layer, event);
}

static void put_stats(struct text *text, const struct engine *engine,
		      const struct output_record *record)
{
	const struct packet_stats *packets = &record->stats.packets;
	const struct session_stats *sessions = &record->stats.sessions;

	put_head(text, engine, record->time_ns, 0, UINT16_MAX, "stats");
	put(text,
	    ",\"stats\":{\"uptime\":%" PRIu64 ",\"packets\":{\"received\":%" PRIu64
	    ",\"generated\":%" PRIu64 ",\"forwarded\":%" PRIu64 ",\"local\":%" PRIu64
	    ",\"held\":%" PRIu64 ",\"dropped\":{",
	    record->stats.uptime_sec, packets->received, packets->generated, packets->forwarded,
	    packets->local, packets->held);
	for (uint32_t i = 1; i < STELLAR_DROP_REASON_COUNT; i++)
		put(text, "%s\"%s\":%" PRIu64, i > 1 ? "," : "", stellar_drop_reason_name(i),
		    packets->dropped[i]);
	put(text, "}},\"sessions\":{\"created\":%" PRIu64 ",\"active\":%" PRIu64 "}}}\n",
	    sessions->created, sessions->active);
}

static void put_log(struct text *text, const struct engine *engine,
		    const struct output_record *record)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};

	_Static_assert(sizeof(levels) / sizeof(*levels) == STELLAR_LOG_LEVEL_COUNT, "all levels");
	if (record->log.session.id != 0)
		put_session_head(text, engine, record->time_ns, &record->log.session, "plugin");
	else
		put_head(text, engine, record->time_ns, 0, UINT16_MAX, "plugin");
	put(text, ",\"plugin\":{\"name\":");
	put_string(text, plugin_name(engine, record->log.plugin_id));
	put(text, ",\"level\":\"%s\",\"text\":", levels[record->log.level]);
	put_text(text, record->log.text, record->log.length);
	put(text, "}}\n");
}

size_t eve_format(const struct engine *engine, const struct output_record *record, char *buffer,
		  size_t size, uint64_t *lines)
{
	struct text text = {buffer, buffer + size};

	*lines += 1;
	switch ((enum output_type)record->type) {
	case OUTPUT_SESSION:
		put_session(&text, engine, record);
		break;
	case OUTPUT_DROP:
		put_drop(&text, engine, record);
		break;
	case OUTPUT_STATS:
		put_stats(&text, engine, record);
		break;
	case OUTPUT_LOG:
		put_log(&text, engine, record);
		break;
	case OUTPUT_ANOMALY:
		if (record->anomaly.stream_event != NULL) {
			put_anomaly(&text, engine, record, "stream", "stream",
				    record->anomaly.stream_event);
			break;
		}
		*lines -= 1;
		for (uint32_t event = 0; event < STELLAR_DECODE_EVENT_COUNT; event++) {
			if ((record->anomaly.decode_events & STELLAR_DECODE_BIT(event)) == 0)
				continue;
			put_anomaly(&text, engine, record, "decode", "decoder",
				    stellar_decode_event_name(event));
			*lines += 1;
		}
		break;
	}
	return (size_t)(text.at - buffer);
}
