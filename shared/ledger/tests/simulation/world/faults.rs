//! What goes wrong in the world: connections, processes, the database as a whole. When it does, `step` decides.

use ledger::lane::{Failure, Heads, Reply};

use super::{World, lane};
use crate::database::error;

impl World {
    /// The connection breaks. What the server was doing may stop there and then, or go on for a while.
    pub(super) fn disconnect(&mut self, replica: usize) {
        let session = self.replicas[replica].session.take();
        if let Some(session) = session {
            if self.random.chance(500) {
                self.orphans.push(session);
            } else {
                self.database.end(session);
            }
        }
        let now = self.now(replica);
        let reply = Reply::Failed(Failure::Lost(error()));
        self.replicas[replica].lane.reply(now, reply);
    }

    /// What a broken connection left behind goes on, or ends.
    pub(super) fn orphan(&mut self) {
        let place = self.random.below(self.orphans.len());
        let session = self.orphans[place];
        let moved = self.database.advance(session, self.clock());
        let ended = !self.database.is_running(session);
        if ended || self.random.chance(if moved { 50 } else { 300 }) {
            self.database.end(session);
            self.orphans.swap_remove(place);
        }
    }

    /// The process dies with everything it knew; its clients hear nothing.
    pub(super) fn crash(&mut self, replica: usize) {
        let process = self.replicas[replica].process;
        let heads = Heads::default();
        for replica in &mut self.replicas {
            if replica.process == process {
                self.orphans.extend(replica.session.take());
                replica.lane = lane(&heads);
                replica.connecting = false;
                replica.incarnation += 1;
                replica.clients.clear();
            }
        }
    }

    /// The database goes back to an earlier state.
    pub(super) fn restore(&mut self) {
        let commits = self.database.commits();
        let back = self.random.below(commits.min(6) + 1);
        self.database.restore(commits - back);
        self.orphans.clear();
        for replica in 0..self.replicas.len() {
            let now = self.now(replica);
            if self.replicas[replica].session.take().is_some() {
                let reply = Reply::Failed(Failure::Lost(error()));
                self.replicas[replica].lane.reply(now, reply);
            }
        }
    }
}
