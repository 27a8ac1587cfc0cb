"""Where the bytes of uploaded files are kept: a folder, or a bucket that speaks S3's protocol."""
