"""Make the buckets that the arguments name, unless they are there: `python deploy/buckets.py NAME ...`.

The store's address and the keys to it stand in AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import sys

import boto3

s3 = boto3.client("s3")
there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in there:
        s3.create_bucket(Bucket=name)
    sys.stdout.write(f"{name}: {'was there' if name in there else 'made'}\n")
