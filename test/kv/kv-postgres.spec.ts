import { describeKv } from './kv-behaviour';
import { kvOnPostgres } from './postgres';

describeKv('the KV on PostgreSQL', kvOnPostgres());
