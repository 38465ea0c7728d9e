#!/bin/sh
# Makes the secrets of an installation once, each into the folder of those who may read it; what is
# there stays. Runs as root in a container, before everything else.
set -eu
cd /secrets

# Made where it is missing, complete or not at all.
secret() {
  [ -s "$1" ] && return
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$1.new"
  mv "$1.new" "$1"
}

for login in superuser auth log index export; do
  secret "set-up/$login"
done
secret auth/installation
secret auth/internal
cp auth/internal log/internal
cp auth/internal export/internal
cp set-up/superuser database/superuser

# As PostgreSQL's clients read it: host:port:database:user:password.
password_file() {
  printf 'database:5432:*:%s:%s\n' "$2" "$(cat "set-up/$3")" > "$1"
}
password_file set-up/pgpass postgres superuser
for login in auth log index export; do
  password_file "$login/pgpass" "veritrail_$login" "$login"
done

# The programs run as 10001, PostgreSQL as an account of its own.
chown -R 10001:10001 set-up auth log index export
find set-up auth log index export -type f -exec chmod 0600 {} +
chmod 0700 set-up auth log index export
chmod 0444 database/superuser
chown 10001:10001 ../credentials
chmod 0700 ../credentials
