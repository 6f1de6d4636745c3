"""What a person looks at before landing: `wto review`, `wto comment`, `wto proof`."""
