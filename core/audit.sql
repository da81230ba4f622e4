-- name: add_audit
INSERT INTO audit (at, actor, action, subject, reason)
VALUES ($1::timestamptz, $2::text, $3::text, $4::text, $5::text)
