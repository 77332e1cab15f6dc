import { DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

import { Context, LotwiseModel, Place } from './generated/model';

/** A query as it may be found in a dashboard: every field may be missing, the back end has defaults. */
export interface LotwiseQuery extends DataQuery, Partial<Omit<LotwiseModel, 'place' | 'context'>> {
  place?: Partial<Place>;
  context?: Partial<Context>;
}

/** What a dashboard variable lists. */
export type VariableKind =
  'plant' | 'line' | 'machine' | 'sensor' | 'quantity' | 'reference' | 'lot' | 'operator' | 'shift' | 'state';

/** The saved query of a dashboard variable: a kind, and filters that may name other variables. */
export interface LotwiseVariableQuery extends DataQuery {
  kind: VariableKind;
  plants?: string[];
  lines?: string[];
  machines?: string[];
  references?: string[];
  quantity?: string;
  /** Holds Grafana's search filter variable, so that typing in the drop-down asks the database. */
  search?: string;
}

export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

/** Settings that Grafana stores in the clear and sends to browsers. No secret belongs here. */
export interface LotwiseOptions extends DataSourceJsonData {
  host?: string;
  /** Read replicas, `host` or `host:port`, asked before the host; empty: none. */
  readHosts?: string[];
  port?: number;
  database?: string;
  user?: string;
  tlsMode?: TlsMode;
  /** Plant keys this data source may show; empty: all. */
  plants?: string[];
  /** Line keys this data source may show; empty: all. */
  lines?: string[];
  maxConnections?: number;
  statementTimeoutSeconds?: number;
  maxPoints?: number;
}

/** Settings that Grafana encrypts and never sends back. */
export interface LotwiseSecrets {
  password?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}
