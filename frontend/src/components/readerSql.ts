/** Quotes an SQL identifier. */
function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The statements that create the user this data source should connect with: it can read, and nothing else. */
export function readerSql(user: string | undefined, database: string | undefined, connections: number): string {
  const role = identifier(user?.trim() || 'lotwise_grafana');
  return [
    `CREATE ROLE ${role} LOGIN PASSWORD 'choose-a-long-password' CONNECTION LIMIT ${connections + 2};`,
    `GRANT CONNECT ON DATABASE ${identifier(database?.trim() || 'lotwise')} TO ${role};`,
    `GRANT lotwise_reader TO ${role};`,
    `ALTER ROLE ${role} SET default_transaction_read_only = on;`,
  ].join('\n');
}
