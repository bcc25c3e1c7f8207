import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The password of a user who has changed it. */
@Entity('shop_passwords')
export class Password {
  @PrimaryColumn('text')
  user!: string;

  @Column('bytea')
  salt!: Buffer;

  @Column('bytea')
  hash!: Buffer;
}

const hashOf = promisify<string, Buffer, number, Buffer>(scrypt);

export async function passwordOf(user: string, password: string): Promise<Password> {
  const salt = randomBytes(16);
  return { user, salt, hash: await hashOf(password, salt, 32) };
}

export async function isPassword({ salt, hash }: Password, password: string): Promise<boolean> {
  return timingSafeEqual(hash, await hashOf(password, salt, 32));
}
