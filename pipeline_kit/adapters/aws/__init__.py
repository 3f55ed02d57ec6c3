"""AWS: ECR and ECS, through boto3 when it is installed."""
