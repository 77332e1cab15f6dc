// TimescaleDB's community edition (TSL) for tests: a PostgreSQL that runs as WebAssembly in this
// process, behind PostgreSQL's wire protocol on a loopback port. Prints the port when it is ready,
// and ends when its standard input does. The data is in memory.
//
// The database has one session. Clients share it a transaction at a time; session.mjs gives each of
// them its own role, settings and prepared statements. What it cannot do: two transactions at the
// same time (so locks never wait, advisory locks of the session are everybody's, temporary tables
// too), background workers, statement_timeout, cancelling, passwords; and a COPY is the superuser's.

import { createServer } from 'node:net';
import { Backend } from './backend.mjs';
import { open } from './database.mjs';
import { Session } from './session.mjs';

const backend = new Backend(await open());
const server = createServer({ noDelay: true }, (socket) => new Session(socket, backend));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
