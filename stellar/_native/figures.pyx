# SPDX-License-Identifier: Apache-2.0
"""What an engine counts and lists, read while it runs."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from stellar._native cimport capi
from stellar._native.errors cimport check

from stellar._native.errors import EngineStateError

cdef enum:
    LIST_SESSIONS_MAX = 4096


cdef tuple endpoint(const capi.packet_endpoint *value):
    """Address bytes (4, 16, or none) and port."""
    cdef size_t length = 4 if value.address.version == 4 else 16
    if value.address.version == 0:
        length = 0
    return (<const char *>value.address.bytes)[:length], value.port


cdef dict session_dict(const capi.session_record *record):
    cdef const char *tcp_state = capi.stellar_tcp_state_name(record.tcp_state)
    cdef const char *state = capi.stellar_session_state_name(record.state)
    return {
        "id": record.id,
        "start_ns": record.start_ns,
        "last_ns": record.last_ns,
        "packets": (record.packets[0], record.packets[1]),
        "bytes": (record.bytes[0], record.bytes[1]),
        "originator": endpoint(&record.originator),
        "responder": endpoint(&record.responder),
        "tag": record.tag,
        "generation": record.generation,
        "rule_id": record.rule_id,
        "ingress_id": record.ingress_id,
        "egress_id": record.egress_id,
        "protocol": record.protocol,
        "state": state.decode() if state != NULL else "",
        "tcp_state": tcp_state.decode() if tcp_state != NULL else "",
        "blocked": bool(record.blocked),
        "parent_id": record.parent_id or None,
    }


cdef class Figures:
    """The reading half of `Engine`."""

    cdef capi.engine *get(self) except NULL:
        if self.handle == NULL:
            raise EngineStateError("the engine is closed")
        return self.handle

    def packet_stats(self):
        """The ledger: counters by name, `dropped` by reason, and `imbalance` (0 by law)."""
        cdef capi.packet_stats stats
        capi.engine_get_packet_stats(self.get(), &stats)
        return {
            "received": stats.received,
            "generated": stats.generated,
            "forwarded": stats.forwarded,
            "local": stats.local,
            "held": stats.held,
            "received_bytes": stats.received_bytes,
            "forwarded_bytes": stats.forwarded_bytes,
            "dropped": {capi.stellar_drop_reason_name(i).decode(): stats.dropped[i]
                        for i in range(1, capi.STELLAR_DROP_REASON_COUNT)},
            "imbalance": capi.packet_stats_imbalance(&stats),
        }

    def stream_stats(self):
        """Counters of TCP streams put in order; `active` and `held_bytes` are levels."""
        cdef capi.stream_stats stats
        capi.engine_get_stream_stats(self.get(), &stats)
        return {
            "opened": stats.opened,
            "active": stats.active,
            "delivered_bytes": stats.delivered_bytes,
            "held_bytes": stats.held_bytes,
            "gaps": stats.gaps,
            "gap_bytes": stats.gap_bytes,
            "overlaps": stats.overlaps,
            "limited": stats.limited,
            "kept_lost": stats.kept_lost,
            "no_memory": stats.no_memory,
        }

    def session_stats(self):
        """Counters of sessions; `closed` by reason."""
        cdef capi.session_stats stats
        capi.engine_get_session_stats(self.get(), &stats)
        return {
            "created": stats.created,
            "active": stats.active,
            "closed": {capi.stellar_closing_reason_name(i).decode(): stats.closed[i]
                       for i in range(1, capi.STELLAR_CLOSING_REASON_COUNT)},
            "evicted": stats.evicted,
            "untracked": stats.untracked,
            "capacity": stats.capacity,
            "children": stats.children,
            "orphaned": stats.orphaned,
            "expectations": stats.expectations,
            "expectations_announced": stats.expectations_announced,
            "expectations_met": stats.expectations_met,
            "expectations_expired": stats.expectations_expired,
            "expectations_refused": stats.expectations_refused,
            "resumed": stats.resumed,
            "torn": stats.torn,
            "opening": stats.opening,
            "source_limited": stats.source_limited,
            "flood": stats.flood,
            "floods": stats.floods,
        }

    def event_counts(self):
        """Times each session event was raised."""
        return {capi.stellar_event_name(i).decode(): capi.engine_get_event_count(self.get(), i)
                for i in range(capi.STELLAR_EVENT_COUNT) if capi.stellar_event_is_raised(i)}

    def event_overflow(self):
        """Events of callbacks that found no room, or came in too many rounds."""
        return capi.engine_get_event_overflow(self.get())

    def derived_event_counts(self):
        """Times each derived event was raised, by `plugin.event`."""
        counts = {}
        cdef uint32_t derived_id = 0
        cdef const char *name = capi.engine_get_derived_name(self.get(), derived_id)
        while name != NULL:
            counts[name.decode()] = capi.engine_get_derived_count(self.get(), derived_id)
            derived_id += 1
            name = capi.engine_get_derived_name(self.get(), derived_id)
        return counts

    def decode_event_counts(self):
        """Times each decode event was set."""
        return {
            capi.stellar_decode_event_name(i).decode():
                capi.engine_get_decode_event_count(self.get(), i)
            for i in range(capi.STELLAR_DECODE_EVENT_COUNT)
        }

    def output_stats(self):
        """EVE lines written and lost."""
        cdef uint64_t written = 0
        cdef uint64_t lost = 0
        capi.engine_get_output_stats(self.get(), &written, &lost)
        return {"written": written, "lost": lost}

    @property
    def observer_lost(self):
        """Events that observers have lost."""
        return capi.engine_get_observer_lost(self.get())

    def plugin_stats(self):
        """Figures of each plugin in order of execution."""
        cdef capi.plugin_stats stats[capi.STELLAR_PLUGINS_MAX]
        cdef size_t count = capi.engine_get_plugin_stats(self.get(), stats,
                                                         capi.STELLAR_PLUGINS_MAX)
        return [
            {
                "name": (<const char *>stats[i].name).decode(),
                "version": (<const char *>stats[i].version).decode("utf-8", "replace"),
                "calls": stats[i].calls,
                "errors": stats[i].errors,
                "contexts": stats[i].contexts,
                "detached": stats[i].detached,
                "takeovers": stats[i].takeovers,
                "timers": stats[i].timers,
                "timers_refused": stats[i].timers_refused,
                "reloads": stats[i].reloads,
                "versions": stats[i].versions,
                "old_contexts": stats[i].old_contexts,
                "migrated": stats[i].migrated,
                "stayed": stats[i].stayed,
                "no_memory": stats[i].no_memory,
                "enabled": bool(stats[i].enabled),
                "timed_calls": stats[i].timed_calls,
                "timed_ns": stats[i].timed_ns,
                "context_bytes": stats[i].context_bytes,
            }
            for i in range(count)
        ]

    def plugin_counters(self):
        """Counters that plugins made: (plugin, name, value)."""
        cdef const char *plugin
        cdef const char *name
        cdef uint64_t value
        result = []
        while capi.engine_get_plugin_counter(self.get(), len(result), &plugin, &name, &value) == 0:
            result.append((plugin.decode(), name.decode("utf-8", "replace"), value))
        return result

    def interface_stats(self):
        """Name and device figures of each interface, in order of ids."""
        cdef const char *name
        cdef capi.packet_io_stats stats
        result = []
        while capi.engine_get_interface(self.get(), len(result), &name, &stats) == 0:
            result.append({"name": name.decode(), **stats})
        return result

    def frame_max(self, uint16_t interface_id):
        """Longest frame that an interface can send."""
        return capi.engine_get_frame_max(self.get(), interface_id)

    def recording_stats(self):
        """What was recorded, and why no more is; None when nobody asked."""
        cdef capi.recording_stats stats
        capi.engine_get_recording(self.get(), &stats)
        if not stats.is_asked:
            return None
        return {
            "on": bool(stats.is_on),
            "reason": stats.reason.decode(),
            "bursts": stats.bursts,
            "packets": stats.packets,
            "bytes": stats.bytes,
            "lost": stats.lost,
        }

    def interface_error(self, uint16_t interface_id):
        """What went wrong on an interface last, one line. Not while its worker runs."""
        return capi.engine_get_interface_error(self.get(), interface_id).decode("utf-8", "replace")

    def list_sessions(self, uint32_t worker_id, uint64_t cursor, size_t limit):
        """Up to `limit` sessions of a worker from `cursor` on, and the next cursor (0: the end)."""
        cdef size_t count = min(limit, <size_t>LIST_SESSIONS_MAX)
        cdef capi.engine *handle = self.get()
        cdef int filled
        cdef capi.session_record *records = <capi.session_record *>PyMem_Malloc(
            max(count, <size_t>1) * sizeof(capi.session_record))
        if records == NULL:
            raise MemoryError()
        try:
            with nogil:
                filled = capi.engine_list_sessions(handle, worker_id, &cursor, records, count)
            check(filled, NULL, EngineStateError)
            return [session_dict(&records[i]) for i in range(filled)], cursor
        finally:
            PyMem_Free(records)
