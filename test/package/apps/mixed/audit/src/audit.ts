import { Injectable, Module } from '@nestjs/common';
import { Kv, NotANumberError } from 'nestjs-persistpg';

@Injectable()
export class Audit {
  constructor(readonly kv: Kv) {}

  async count(key: string): Promise<number | 'not a number'> {
    try {
      return await this.kv.incr(key);
    } catch (error) {
      if (error instanceof NotANumberError) return 'not a number';
      throw error;
    }
  }

  recognizes(error: unknown): boolean {
    return error instanceof NotANumberError;
  }
}

@Module({ providers: [Audit], exports: [Audit] })
export class AuditModule {}
