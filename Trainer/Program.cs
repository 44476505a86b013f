Console.WriteLine("CommonCanvas");
