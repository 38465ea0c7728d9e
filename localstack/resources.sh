#!/usr/bin/env bash
# What Veritrail needs on SQS and S3, made when LocalStack is ready; repeating it changes nothing. On
# Amazon's own services the same calls make the same things: put `aws` in the place of `awslocal`.
set -euo pipefail

# A queue of hints and its dead letters: a message that was received five times and not done goes
# there. Hints may be lost, so four days are plenty; a dead letter waits two weeks for a person.
queue() {
  local name=$1 dead arn
  dead=$(awslocal sqs create-queue --queue-name "$name-dead" \
    --attributes MessageRetentionPeriod=1209600 --query QueueUrl --output text)
  arn=$(awslocal sqs get-queue-attributes --queue-url "$dead" \
    --attribute-names QueueArn --query Attributes.QueueArn --output text)
  awslocal sqs create-queue --queue-name "$name" --attributes "$(printf '{
    "VisibilityTimeout": "60",
    "ReceiveMessageWaitTimeSeconds": "20",
    "MessageRetentionPeriod": "345600",
    "RedrivePolicy": "{\\"deadLetterTargetArn\\":\\"%s\\",\\"maxReceiveCount\\":\\"5\\"}"
  }' "$arn")" > /dev/null
}

# Exports: nobody's but the services', encrypted at rest. The services delete what has expired; the
# lifecycle is for what they could not: files after the longest time that a job may be kept, and
# uploads that nobody finished. The prefix is that of `STORE_URL`, with a slash behind it.
bucket() {
  local name=$1 prefix=${2-} region=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
  # The first region is the one that must not be named.
  local place="LocationConstraint=$region"
  [ "$region" != us-east-1 ] || place=
  awslocal s3api head-bucket --bucket "$name" 2> /dev/null ||
    awslocal s3api create-bucket --bucket "$name" ${place:+--create-bucket-configuration "$place"} > /dev/null
  awslocal s3api put-public-access-block --bucket "$name" --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
  awslocal s3api put-bucket-encryption --bucket "$name" --server-side-encryption-configuration \
    '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
  awslocal s3api put-bucket-lifecycle-configuration --bucket "$name" --lifecycle-configuration '{"Rules": [
    {"ID": "expired-exports", "Status": "Enabled", "Filter": {"Prefix": "'"$prefix"'exports/"}, "Expiration": {"Days": 366}},
    {"ID": "abandoned-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
  ]}'
}

queue veritrail-index
queue veritrail-export
bucket veritrail
