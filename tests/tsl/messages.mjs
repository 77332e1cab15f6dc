// PostgreSQL's protocol, version 3: messages out of a stream of bytes, and bytes of messages.

// Takes whole messages off a stream that comes in pieces. The first message has no type.
export class Reader {
  #bytes = Buffer.alloc(0);
  started = false;

  *push(piece) {
    this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, piece]) : piece;
    while (true) {
      const head = this.started ? 1 : 0;
      if (this.#bytes.length < head + 4) return;
      const length = head + this.#bytes.readInt32BE(head);
      if (this.#bytes.length < length) return;
      const message = this.#bytes.subarray(0, length);
      this.#bytes = this.#bytes.subarray(length);
      yield message;
    }
  }
}

// The messages of whole bytes, each with its type.
export function* split(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + bytes.readInt32BE(at + 1);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

export const typeOf = (message) => String.fromCharCode(message[0]);

export function message(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export const text = (value) => Buffer.from(value + '\0');
export const int16 = (value) => Buffer.from([(value >> 8) & 255, value & 255]);
export function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

// The text that starts at an offset, and the offset behind its zero byte.
export function textAt(bytes, at) {
  const end = bytes.indexOf(0, at);
  return [bytes.toString('utf8', at, end), end + 1];
}

export function error(code, said) {
  return message('E', text('SERROR'), text('VERROR'), text('C' + code), text('M' + said), Buffer.from([0]));
}

export const query = (sql) => message('Q', text(sql));
export const sync = message('S');
