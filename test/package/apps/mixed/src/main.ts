import assert from 'node:assert/strict';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Audit, AuditModule } from 'audit';
import { Kv, NotANumberError, PersistPgModule } from 'nestjs-persistpg';

@Module({ imports: [PersistPgModule.forRoot(), AuditModule] })
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule);
const kv = app.get(Kv);
const audit = app.get(Audit);
assert.equal(audit.kv, kv);

await kv.set('text', 'words');
await kv.set('number', 1);
assert.equal(await audit.count('number'), 2);
assert.equal(await audit.count('text'), 'not a number');

const error: unknown = await kv.incr('text').catch((e: unknown) => e);
assert(error instanceof NotANumberError && audit.recognizes(error));
await app.close();
