// SPDX-License-Identifier: Apache-2.0

// session_suspended: a plugin took a session over. It goes out right after the callback that did,
// to those that had been called for the session, and for one that is still owned then. A callback
// may take over several sessions of its family, so those that are to be told of stand in a list of
// the worker, through their blocks. A session stays there until all have been told: what is given
// back and taken again meanwhile is not told of again, so that two plugins can't hold the worker.
// Worker's thread.
#pragma once

struct session;
struct worker;

// A callback has taken the session over.
void plugin_suspend_note(struct worker *worker, struct session *session);

// A callback has returned: tell of what it took over. session: it was called for. Within another
// one's telling that one goes on with it.
void plugin_suspend_tell(struct worker *worker, struct session *session);
