// A client: its messages in order, with the database's session to itself while a transaction lasts.

import { Reader, error, int16, int32, message, query, sync, text, textAt, typeOf } from './messages.mjs';

const SSL_REQUEST = 80877103;
const CANCEL_REQUEST = 80877102;
const COPY_IN = /^\s*COPY\s[\s\S]*\bFROM\s+STDIN\b/i;
const FROM_STDIN = /\bFROM\s+STDIN\b/i;
// What may change settings of the session, or its role.
const SETS = /\b(SET|RESET|set_config|DISCARD)\b/i;

const literal = (value) => `'${value.replaceAll("'", "''")}'`;
const identifier = (name) => `"${name.replaceAll('"', '""')}"`;
let clients = 0;

export class Session {
  #socket;
  #backend;
  #reader = new Reader();
  #prefix = `c${++clients}_`;
  #work = Promise.resolve();
  #release = null;
  #user;
  // Settings that are this session's, [name, value], and the role it has set.
  #settings = [];
  #role = 'none';
  #dirty = false;
  // Names of prepared statements, as the database knows them, with their texts.
  #statements = new Map();
  #portals = new Map();
  // After an error everything up to the next Sync is left out.
  #skipping = false;
  // A COPY that waits for its data.
  #copying = null;
  #gone = false;

  constructor(socket, backend) {
    this.#socket = socket;
    this.#backend = backend;
    socket.on('data', (bytes) => {
      for (const received of this.#reader.push(bytes)) {
        if (!this.#reader.started && this.#startsUp(received)) this.#reader.started = true;
        this.#work = this.#work.then(() => this.#handle(received)).catch((cause) => this.#fail(cause));
      }
    });
    const leave = () => {
      if (this.#gone) return;
      this.#gone = true;
      this.#work = this.#work.then(() => this.#leave()).catch((cause) => console.error(cause));
    };
    socket.on('close', leave);
    socket.on('error', leave);
  }

  #startsUp(received) {
    return ![SSL_REQUEST, CANCEL_REQUEST].includes(received.readInt32BE(4));
  }

  #fail(cause) {
    console.error(cause);
    this.#socket.destroy();
  }

  async #handle(received) {
    if (this.#gone) return;
    if (this.#user === undefined) return this.#start(received);
    const type = typeOf(received);
    if (type === 'X') return this.#socket.end();
    if (this.#copying) return this.#copyData(type, received);
    if (this.#skipping && type !== 'S') return;
    if (type === 'H') return;
    await this.#enter();
    const answers = await this.#pass(type, received);
    this.#answer(answers);
    this.#skipping =
      !'SQ'.includes(type) && (this.#skipping || answers.some((answer) => typeOf(answer) === 'E'));
    this.#handOn(answers);
  }

  async #start(received) {
    const code = received.readInt32BE(4);
    if (code === SSL_REQUEST) return this.#socket.write('N');
    if (code === CANCEL_REQUEST) return this.#socket.end();
    const given = {};
    for (let at = 8; received[at]; ) {
      let name, value;
      [name, at] = textAt(received, at);
      [value, at] = textAt(received, at);
      given[name] = value;
    }
    const release = await this.#backend.take();
    try {
      this.#backend.owner?.remember();
      this.#backend.owner = null;
      this.#backend.run('SET SESSION AUTHORIZATION postgres; RESET ALL');
      const [known] = this.#backend.rows(
        `SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = ${literal(given.user)}`,
      );
      if (known?.[1] !== 't') {
        this.#socket.end(error('28000', `role ${identifier(given.user)} is not permitted to log in`));
        return;
      }
      const asked = options(given.options ?? '');
      this.#role = asked.find(([name]) => name === 'role')?.[1] ?? 'none';
      this.#settings = asked.filter(([name]) => name !== 'role');
      const ofRole = this.#backend.rows(
        `SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole
         WHERE rolname = ${literal(given.user)} AND setdatabase = 0`,
      );
      this.#settings.unshift(...ofRole.map(([pair]) => pair.split(/=(.*)/s).slice(0, 2)));
    } finally {
      release();
    }
    this.#user = given.user;
    const ours = ['user', 'database', 'options', 'replication'];
    this.#settings.push(...Object.entries(given).filter(([name]) => !ours.includes(name)));
    const status = {
      server_version: '17.5', server_encoding: 'UTF8', client_encoding: 'UTF8', DateStyle: 'ISO, MDY',
      integer_datetimes: 'on', standard_conforming_strings: 'on', TimeZone: 'UTC',
    };
    const told = Object.entries(status).map(([name, value]) => message('S', text(name), text(value)));
    const ready = message('Z', Buffer.from('I'));
    this.#answer([message('R', int32(0)), ...told, message('K', int32(1), int32(1)), ready]);
  }

  // Waits for the database's session, and makes it this client's.
  async #enter() {
    if (this.#release) return;
    this.#release = await this.#backend.take();
    if (this.#backend.owner === this) return;
    this.#backend.owner?.remember();
    this.#backend.owner = this;
    const set = ([name, value]) => `SET SESSION ${name.split('.').map(identifier).join('.')} = ${quoted(name, value)};`;
    this.#backend.run(
      `SET SESSION AUTHORIZATION postgres; RESET ALL; SET search_path = "$user", public;
       ${this.#settings.map(set).join('\n')}
       ${this.#identity()}`,
    );
  }

  // Makes the database's session act as this client.
  #identity() {
    const role = this.#role === 'none' ? '' : `SET ROLE ${identifier(this.#role)}`;
    return `SET SESSION AUTHORIZATION ${identifier(this.#user)}; ${role}`;
  }

  // Keeps what this client has set, for when it comes back.
  remember() {
    if (!this.#dirty) return;
    this.#dirty = false;
    [[this.#role]] = this.#backend.rows("SELECT current_setting('role')");
    this.#settings = this.#backend.rows(
      "SELECT name, setting || coalesce(CASE WHEN unit IN ('ms', 's', 'kB') THEN unit END, '') FROM pg_settings WHERE source = 'session'",
    );
    // Settings without a definition are in no catalog.
    const [own] = this.#backend.rows("SELECT current_setting('lotwise.timescaledb', true), current_setting('lotwise.scope', true)");
    for (const [at, name] of ['lotwise.timescaledb', 'lotwise.scope'].entries())
      if (own[at]) this.#settings.push([name, own[at]]);
  }

  // Hands the database's session on when no transaction is open any more.
  #handOn(answers) {
    const ready = answers.findLast((answer) => typeOf(answer) === 'Z');
    if (ready && ready[5] === 0x49) {
      this.#release?.();
      this.#release = null;
    }
  }

  #answer(answers) {
    if (!this.#gone) this.#socket.write(Buffer.concat(answers));
  }

  async #pass(type, received) {
    switch (type) {
      case 'Q':
        return this.#simple(received);
      case 'P': {
        const [name, at] = textAt(received, 5);
        const [sql, behind] = textAt(received, at);
        if (SETS.test(sql)) this.#dirty = true;
        if (name === '') this.#backend.send(message('C', Buffer.from('S'), text(this.#prefix)));
        this.#statements.set(name, sql);
        return this.#backend.send(message('P', text(this.#prefix + name), text(sql), received.subarray(behind)));
      }
      case 'B': {
        const [portal, at] = textAt(received, 5);
        const [name, behind] = textAt(received, at);
        this.#portals.set(portal, this.#statements.get(name) ?? '');
        return this.#backend.send(message('B', text(portal), text(this.#prefix + name), received.subarray(behind)));
      }
      case 'D':
      case 'C': {
        const [name] = textAt(received, 6);
        const isStatement = received[5] === 0x53;
        if (type === 'C' && isStatement) this.#statements.delete(name);
        const known = isStatement ? this.#prefix + name : name;
        return this.#backend.send(message(type, received.subarray(5, 6), text(known)));
      }
      case 'E': {
        const [portal] = textAt(received, 5);
        const sql = this.#portals.get(portal) ?? '';
        if (COPY_IN.test(sql)) return this.#copyIn(sql, false);
        return this.#backend.send(received);
      }
      default:
        return this.#backend.send(received);
    }
  }

  #simple(received) {
    const [sql] = textAt(received, 5);
    if (SETS.test(sql)) this.#dirty = true;
    if (COPY_IN.test(sql)) return this.#copyIn(sql, true);
    return this.#backend.send(received);
  }

  #copyIn(sql, simple) {
    this.#copying = { sql, simple, data: [] };
    return [message('G', Buffer.from([/binary/i.test(sql) ? 1 : 0]), int16(0))];
  }

  // The data of a COPY; at its end the database reads all of it from a file.
  async #copyData(type, received) {
    const copying = this.#copying;
    if (type === 'd') {
      copying.data.push(Buffer.from(received.subarray(5)));
      return;
    }
    if (type !== 'c' && type !== 'f') return;
    this.#copying = null;
    const failed = type === 'f' && [error('57014', 'COPY from stdin failed: given up by the client')];
    const sql = copying.sql.replace(FROM_STDIN, "FROM '/dev/blob'");
    // A simple query, which would end an implicit transaction: nobody sends more than the COPY in one.
    let answers = failed || (await this.#backend.copy(query(sql), Buffer.concat(copying.data), () => this.#identity()));
    if (failed) this.#backend.send(sync);
    if (!copying.simple) answers = answers.filter((answer) => typeOf(answer) !== 'Z');
    else if (failed) answers.push(message('Z', Buffer.from('I')));
    this.#answer(answers);
    this.#skipping = !copying.simple && answers.some((answer) => typeOf(answer) === 'E');
    this.#handOn(answers);
  }

  // As the superuser: the client's own role may be gone by now. Whatever fails here, the database's
  // session is handed on.
  async #leave() {
    if (this.#user === undefined) return;
    this.#release ??= await this.#backend.take();
    try {
      if (this.#backend.owner !== this) this.#backend.owner?.remember();
      this.#backend.owner = null;
      this.#backend.send(sync);
      this.#backend.run('ROLLBACK');
      for (const name of this.#statements.keys())
        this.#backend.send(message('C', Buffer.from('S'), text(this.#prefix + name)));
      this.#backend.send(sync);
    } finally {
      this.#release();
      this.#release = null;
    }
  }
}

// Lists stay lists.
function quoted(name, value) {
  if (name !== 'search_path') return literal(value);
  const items = value.split(',').map((item) => item.trim().replace(/^"(.*)"$/, '$1'));
  return items.map((item) => literal(item)).join(', ');
}

// The settings of a start-up message's options: `-c name=value`, or `--name=value`.
function options(given) {
  const words = given.match(/(?:\\.|\S)+/g)?.map((word) => word.replace(/\\(.)/g, '$1')) ?? [];
  const pairs = [];
  for (let at = 0; at < words.length; at++) {
    const pair = words[at] === '-c' ? words[++at] : words[at].replace(/^(--|-c)/, '');
    const [name, value] = pair.split(/=(.*)/s);
    pairs.push([name.replaceAll('-', '_'), value]);
  }
  return pairs;
}
