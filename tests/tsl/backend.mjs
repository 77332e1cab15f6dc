// The one session of the database, taken by one client at a time.

import { query, split, typeOf } from './messages.mjs';

export class Backend {
  #database;
  #turn = Promise.resolve();
  // The client whose role and settings the session has.
  owner = null;

  constructor(database) {
    this.#database = database;
  }

  // Waits for the session; gives the function that hands it on.
  async take() {
    let release;
    const before = this.#turn;
    this.#turn = new Promise((resolve) => (release = resolve));
    await before;
    return release;
  }

  // Sends one message; gives the messages that answer it.
  send(message) {
    return [...split(Buffer.from(this.#database.execProtocolRawSync(message)))];
  }

  // Runs statements of the server's own; throws what the database says against them.
  run(sql) {
    const answers = this.send(query(sql));
    const refused = answers.find((answer) => typeOf(answer) === 'E');
    if (refused) throw new Error(`${sql}: ${refused.toString('utf8', 5)}`);
    return answers;
  }

  // The rows of such a statement, as texts.
  rows(sql) {
    return this.run(sql)
      .filter((answer) => typeOf(answer) === 'D')
      .map(row);
  }

  // Sends a COPY whose data came from a client. They are read as a file, for which one has to be the
  // superuser; a transaction that fails takes the identity back by itself.
  async copy(message, data, identity) {
    this.run('SET SESSION AUTHORIZATION postgres');
    await this.#database._handleBlob(new Blob([data]));
    try {
      return this.send(message);
    } finally {
      await this.#database._cleanupBlob();
      this.send(query(identity()));
    }
  }
}

function row(message) {
  const values = [];
  let at = 7;
  for (let left = message.readInt16BE(5); left > 0; left--) {
    const length = message.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : message.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}
